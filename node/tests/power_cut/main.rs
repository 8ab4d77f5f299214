//! Power cuts and a full disk: a child writes to an ext4 file system in an image; the file system is shut down without its journal being
//! flushed, as when the power fails, and mounted anew. What was acknowledged before must be there.
//!
//! Needs root, loop devices, `mkfs.ext4`, `mount` and `perl`; where they are missing it says so and tests nothing.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

#[path = "../survival/writer.rs"]
mod writer;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tally_node::store::{DataDir, LogFiles, OwnLog, OwnStore, SledLog};
use writer::{
    BYTES, FOLDER, append_for_ever, entry, is_whole, next_random, origin, replica_origin, run_a_node_for_ever,
};

const CUTS: u64 = 10;
/// What the child does.
const TASK: &str = "TALLY_TEST_POWER_TASK";
/// `_IOR('X', 125, __u32)`: shuts an ext4 file system down; 2 asks for no flush of the journal.
const SHUTDOWN: &str =
    r#"open(my $d, "<", $ARGV[0]) or die $!; my $how = pack("L", 2); ioctl($d, 0x8004587d, $how) or die $!;"#;

fn ran(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}: {}", arguments.join(" "), told.trim()))
}

/// An ext4 file system in an image file.
struct Disk {
    image: PathBuf,
    mounted_at: PathBuf,
}

impl Disk {
    fn make(folder: &Path, megabytes: u64) -> Result<Self, String> {
        let disk = Self {
            image: folder.join("image"),
            mounted_at: folder.join("disk"),
        };
        std::fs::create_dir_all(&disk.mounted_at).map_err(|error| error.to_string())?;
        std::fs::File::create(&disk.image)
            .and_then(|image| image.set_len(megabytes << 20))
            .map_err(|error| error.to_string())?;
        ran("mkfs.ext4", &["-q", "-F", disk.image.to_str().unwrap()])?;
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        let (image, at) = (self.image.to_str().unwrap(), self.mounted_at.to_str().unwrap());
        ran("mount", &["-o", "loop", image, at])
    }

    fn cut_power(&self) {
        ran("perl", &["-e", SHUTDOWN, self.mounted_at.to_str().unwrap()]).unwrap();
    }

    fn mount_again(&self) {
        // The last handle of the killed child may still be closing.
        let started = Instant::now();
        while let Err(why) = ran("umount", &[self.mounted_at.to_str().unwrap()]) {
            assert!(started.elapsed() < Duration::from_secs(30), "{why}");
            std::thread::sleep(Duration::from_millis(50));
        }
        self.mount().unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _unmounted = ran("umount", &["-l", self.mounted_at.to_str().unwrap_or_default()]);
    }
}

/// The child, and the greatest length that it acknowledged.
struct Writer {
    child: Child,
    acked: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl Writer {
    fn start(task: &str, folder: &Path, bytes: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(TASK, task)
            .env(FOLDER, folder)
            .env(BYTES, bytes.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (acked, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (told, over) = (acked.clone(), ended.clone());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(len) = line.strip_prefix("ack ") {
                    told.store(len.parse().unwrap(), Ordering::SeqCst);
                }
            }
            over.store(true, Ordering::SeqCst);
        });
        let writer = Self { child, acked, ended };
        let started = Instant::now();
        while writer.acked.load(Ordering::SeqCst) == 0 {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{task}: nothing is written"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        writer
    }

    fn kill(mut self) {
        let _ended = self.child.kill();
        self.child.wait().unwrap();
    }
}

fn check_log(folder: &Path, bytes: usize, acked: u64, from: u64) -> u64 {
    let log = SledLog::open(folder, &origin(), &mut |_, _| {}).unwrap();
    assert!(log.len() >= acked, "acknowledged {acked}, found {}", log.len());
    assert!(is_whole(&log), "half a batch");
    let mut whole = true;
    log.visit(from, &mut |index, found| {
        whole &= *found == entry(index, bytes);
        whole
    })
    .unwrap();
    assert!(whole, "an entry differs");
    let len = log.len();
    Box::new(log).close().unwrap();
    len
}

fn check_node(folder: &Path, acked: u64) -> u64 {
    let data = DataDir::open(folder).unwrap();
    let own = OwnStore::open(&data, &origin(), &mut |index, found| {
        assert_eq!(*found, entry(index, 600));
    })
    .unwrap();
    assert!(
        own.tail.size >= acked && own.lock.head().size >= acked,
        "acknowledged {acked}, found {own:?}"
    );
    let files = LogFiles::open(&data, &replica_origin(), &mut |index, found| {
        assert_eq!(*found, entry(index, 600));
    })
    .unwrap();
    assert!(
        files.head().size >= acked,
        "acknowledged {acked}, found {files:?}"
    );
    own.tail.size
}

/// Cuts the power again and again under one writer; returns how many entries there were in the end.
fn cuts(task: &str, bytes: usize) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::make(dir.path(), 1_024).unwrap();
    let folder = disk.mounted_at.join("data");
    let mut state = 0x2545_f491 + bytes as u64;
    let mut held = 0;
    for _ in 0..CUTS {
        let writer = Writer::start(task, &folder, bytes);
        std::thread::sleep(Duration::from_millis(30 + next_random(&mut state) % 500));
        let acked = writer.acked.load(Ordering::SeqCst);
        disk.cut_power();
        writer.kill();
        disk.mount_again();
        held = match task {
            "log" => check_log(&folder, bytes, acked, 0),
            _ => check_node(&folder, acked),
        };
    }
    assert!(held > CUTS, "only {held} entries: nothing was tested");
    held
}

/// Writes until the disk is full, makes room, and finds everything that was acknowledged.
fn full(task: &str, bytes: usize) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::make(dir.path(), 48).unwrap();
    let ballast = disk.mounted_at.join("ballast");
    std::fs::write(&ballast, vec![0; 20 << 20]).unwrap();
    let folder = disk.mounted_at.join("data");
    let writer = Writer::start(task, &folder, bytes);
    let started = Instant::now();
    while !writer.ended.load(Ordering::SeqCst) {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "the disk does not get full"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    let acked = writer.acked.load(Ordering::SeqCst);
    writer.kill();
    std::fs::remove_file(&ballast).unwrap();
    match task {
        "log" => check_log(&folder, bytes, acked, 0),
        _ => check_node(&folder, acked),
    }
}

fn main() {
    if let (Ok(task), Ok(folder)) = (std::env::var(TASK), std::env::var(FOLDER)) {
        let folder = Path::new(&folder);
        match task.as_str() {
            "log" => append_for_ever(folder, std::env::var(BYTES).unwrap().parse().unwrap()),
            _ => run_a_node_for_ever(&DataDir::open(folder).unwrap()),
        }
        return;
    }
    // What asks a test program for its tests gets none: this one has a single task.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let usable = Disk::make(dir.path(), 16).and_then(|disk| {
        ran("perl", &["-e", "1"])?;
        ran("perl", &["-e", SHUTDOWN, disk.mounted_at.to_str().unwrap()])
    });
    if let Err(why) = usable {
        println!("power cuts: SKIPPED, this machine does not let a file system be shut down: {why}");
        return;
    }
    let mut out = std::io::stdout();
    for (task, bytes) in [("log", 600), ("log", 12 * 1024), ("log", 65_535), ("node", 600)] {
        let started = Instant::now();
        let held = cuts(task, bytes);
        let seconds = started.elapsed().as_secs();
        println!(
            "power cuts: {task}, entries of {bytes} B: {CUTS} cuts, {held} entries, nothing acknowledged lost ({seconds} s)"
        );
        out.flush().unwrap();
    }
    for (task, bytes) in [("log", 600), ("log", 65_535), ("node", 600)] {
        let held = full(task, bytes);
        println!("full disk: {task}, entries of {bytes} B: {held} entries, nothing acknowledged lost");
        out.flush().unwrap();
    }
}
