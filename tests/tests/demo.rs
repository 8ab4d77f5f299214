//! The demonstration from end to end, as a stranger runs it; then its logs before two judges that share no code.
//!
//! Needs nothing but what `scripts/test` installs. Builds the commands itself if they are not built yet.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tally_ledger::authority::Registry;
use tally_schemas::tile::ExportPath;
use tally_tests::go_checker;

/// Not the port of a demonstration that somebody left running.
const PORT: &str = "17311";
/// The node of the supervision group at that port.
const HALL: &str = "http://127.0.0.1:17311";

/// Every department of the city.
const DEPARTMENTS: &[&str] = &[
    "audit",
    "city-data",
    "civil",
    "gov",
    "housing",
    "lead",
    "market",
    "police",
    "province-data",
    "province-gov",
    "supervision",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn told(output: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Returns the folder in which cargo puts the commands.
fn commands() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    folder.to_owned()
}

fn tally(arguments: &[&str]) -> Output {
    Command::new(commands().join("tally"))
        .args(arguments)
        .env("TALLY_PASSPHRASE", "trial")
        .env("TALLY_LANG", "en")
        .output()
        .unwrap()
}

/// Starts the kept trial again, and stops it when dropped.
struct Trial(std::process::Child);

impl Trial {
    fn start(folder: &Path) -> Self {
        let child = Command::new(commands().join("tally-node"))
            .arg("trial")
            .arg(folder)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let trial = Self(child);
        let patience = std::time::Instant::now();
        loop {
            let ready = tally(&[
                "--node",
                HALL,
                "--trust",
                folder.join("genesis.note").to_str().unwrap(),
                "members",
            ]);
            if ready.status.success() {
                return trial;
            }
            assert!(patience.elapsed().as_secs() < 60, "{}", told(&ready));
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _waited = self.0.wait();
    }
}

/// Returns every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn holds(folder: &Path, text: &str) -> bool {
    let wanted = text.as_bytes();
    files(folder).iter().any(|path| {
        fs::read(path)
            .unwrap()
            .windows(wanted.len())
            .any(|part| part == wanted)
    })
}

#[test]
fn the_demonstration_ends_well_with_a_process_per_node_and_a_nats_server() {
    let played = Command::new(root().join("scripts/demo"))
        .args(["--once", "--nats", "--lang", "en", "--port", "17321"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(played.status.success(), "{}", told(&played));
    let text = String::from_utf8(played.stdout).unwrap();
    for part in ["nats-server 2.", "3 nodes hold the same logs and states"] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
}

#[test]
fn the_demonstration_ends_well_and_its_logs_convince_strangers() {
    let home = tempfile::tempdir().unwrap();
    let kept = home.path().join("kept");
    let played = Command::new(root().join("scripts/demo"))
        .args(["--once", "--lang", "zh", "--port", PORT, "--keep"])
        .arg(&kept)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(played.status.success(), "{}", told(&played));
    let text = String::from_utf8(played.stdout).unwrap();
    for part in [
        "一座城市的数据共享之春",
        "3 个节点的日志和状态一致",
        "refusal-for-incomplete-materials",
        "housing/req-2026-0005",
    ] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }

    // An attachment is held where its audience is hosted and nowhere else, in no form.
    let data = kept.join("data");
    for (node, expected) in [("annex", true), ("hall", true), ("cloud", false)] {
        for mark in ["CITY-SITE-CHECK-2026-0323", "CITY-RECORDS-2026-0330"] {
            assert_eq!(holds(&data.join(node), mark), expected, "{mark} on {node}");
        }
    }

    let genesis = kept.join("genesis.note");
    let trust = genesis.to_str().unwrap();
    let trial = Trial::start(&kept);
    let exports = home.path().join("exports");
    for department in DEPARTMENTS {
        let to = exports.join(department);
        let done = tally(&[
            "--node",
            HALL,
            "--trust",
            trust,
            "log",
            "export",
            "--origin",
            department,
            "--to",
            to.to_str().unwrap(),
        ]);
        assert!(done.status.success(), "{department}: {}", told(&done));
    }
    drop(trial);

    let go = go_checker::build(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let registry = Registry::found(&fs::read(&genesis).unwrap()).unwrap();
    for department in DEPARTMENTS {
        let folder = exports.join(department);
        let id = tally_schemas::id::DepartmentId::parse(department).unwrap();
        let key = registry.log_key(&id).unwrap().to_vkey().to_string();
        let ours = || {
            tally(&[
                "--json",
                "--trust",
                trust,
                "log",
                "verify",
                folder.to_str().unwrap(),
            ])
        };
        let theirs = || go_checker::verdict(go, &folder, &key);
        assert!(ours().status.success(), "{department}: {}", told(&ours()));
        let said: serde_json::Value = serde_json::from_slice(&ours().stdout).unwrap();
        assert_eq!(said["verifierKey"], key.as_str(), "{department}");
        theirs().unwrap_or_else(|why| panic!("{department}: {why}"));

        // One flipped bit in any file is seen by both.
        for path in files(&folder) {
            let good = fs::read(&path).unwrap();
            let mut bad = good.clone();
            let place = bad.len() / 2;
            bad[place] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert!(
                !ours().status.success(),
                "{} flipped: {}",
                path.display(),
                told(&ours())
            );
            assert!(theirs().is_err(), "{} flipped", path.display());
            fs::write(&path, &good).unwrap();
        }
        let inside = files(&folder).iter().all(|path| {
            let name = path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
            ExportPath::parse(&name).is_ok()
        });
        assert!(inside, "{department} exports what belongs to no export");
    }
}
