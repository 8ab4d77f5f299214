//! The independent checker of exports in `tests/checker-go`: built once, and asked for its verdict.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Builds the checker into a folder that outlives the process, once.
///
/// # Panics
/// Without Go, saying what to install.
pub fn build(out: &Path) -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let remedy = "the Go checker cannot be built: apt-get install -y golang-go golang-golang-x-mod-dev";
        // Tests of other processes may build it at the same time: each takes a name of its own.
        let program = out.join(format!("checker-go-{}", std::process::id()));
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg("main.go")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("checker-go"))
            .env("GO111MODULE", "off")
            .env("GOPATH", "/usr/share/gocode")
            .env("GOCACHE", out.join("go-cache"))
            .env_remove("GOFLAGS")
            .output();
        match built {
            Ok(output) if output.status.success() => program,
            Ok(output) => panic!("{remedy}\n{}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => panic!("{remedy}\ngo: {error}"),
        }
    })
}

/// Returns the verdict of the checker: what it printed, or why it refused.
///
/// # Errors
/// The refusal.
///
/// # Panics
/// When it does anything else.
pub fn verdict(checker: &Path, folder: &Path, vkey: &str) -> Result<String, String> {
    let output = Command::new(checker)
        .arg(folder)
        .arg(vkey)
        .output()
        .expect("the checker was built");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    let (out, err) = (text(output.stdout), text(output.stderr));
    match output.status.code() {
        Some(0) if out.starts_with("ok: ") && err.is_empty() => Ok(out),
        Some(1) if err.starts_with("refused: ") && out.is_empty() => Err(err),
        code => panic!("unexpected exit {code:?}: {out}{err}"),
    }
}
