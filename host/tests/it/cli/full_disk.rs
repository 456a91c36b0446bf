//! Goal: a full disk is a clear error; what was acknowledged stays, and writes go on once there is
//! room.
//! Method: a limit on the size of files, which any user may set; and, where a mount is allowed, a
//! small file system.

use std::path::Path;
use std::process::Command;

use super::{Ran, Sandbox};

fn lines(count: usize) -> String {
    (0..count)
        .map(|number| format!("{{\"key\":\"k{number:06}\",\"value\":\"{number:0100}\"}}\n"))
        .collect()
}

fn count(ran: &Ran) -> u64 {
    String::from_utf8_lossy(&ran.stdout).trim().parse().unwrap()
}

/// Fills the disk by `narrow`, then goes on by `wide`, where there is room.
fn fill(sandbox: &Sandbox, narrow: impl Fn(&[&str]) -> Ran, wide: impl Fn(&[&str]) -> Ran) {
    let succeed = |ran: Ran| {
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    };
    let refuse = |ran: Ran| {
        assert_eq!(ran.code, 5, "{ran:?}");
        assert!(
            ran.stderr.contains("no room left") && ran.stderr.contains("free some space"),
            "{ran:?}"
        );
        ran
    };
    let large = format!("@{}", sandbox.file("large", vec![1; 4 << 20]));
    let items = sandbox.file("items", lines(40_000));
    succeed(wide(&["create", "s"]));
    succeed(narrow(&["put", "s", "first", "acknowledged"]));
    refuse(narrow(&["put", "s", "large", &large]));
    let answer = refuse(narrow(&["--json", "put", "s", "large", &large])).stdout;
    assert!(String::from_utf8_lossy(&answer).contains("\"unavailable\""));
    let ran = refuse(narrow(&["import", "s", &items, "--batch", "500"]));
    let told: u64 = ran
        .stderr
        .split_once("lines 1 to ")
        .and_then(|(_, rest)| rest.split_once(' '))
        .map_or(0, |(last, _)| last.parse().unwrap());
    assert_eq!(count(&succeed(wide(&["count", "s"]))), told + 1);
    succeed(wide(&["verify"]));
    assert_eq!(
        succeed(wide(&["get", "s", "first"])).stdout,
        b"acknowledged"
    );
    succeed(wide(&["put", "s", "large", &large]));
    succeed(wide(&["import", "s", &items]));
    succeed(wide(&["compact"]));
    assert_eq!(count(&succeed(wide(&["count", "s"]))), 40_002);
    succeed(wide(&["verify"]));
}

fn leftovers(directory: &Path) -> Vec<String> {
    let names = walkdir::WalkDir::new(directory).into_iter();
    let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with("temporary")).collect()
}

#[test]
fn a_file_size_limit_is_a_full_disk() {
    let sandbox = Sandbox::new();
    // 1 MiB, in the units of the shell.
    let script = "ulimit -f 2048; exec \"$0\" \"$@\"";
    let narrow = |arguments: &[&str]| {
        let mut command = Command::new("sh");
        command
            .args(["-c", script, env!("CARGO_BIN_EXE_sop")])
            .args(arguments);
        let inside = sandbox.command(&[] as &[&str]);
        command.current_dir(inside.get_current_dir().unwrap());
        command
            .env("SOP_DATABASE", "dir:data")
            .env_remove("SOP_LOG");
        let output = command.output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    };
    fill(&sandbox, narrow, |arguments| sandbox.run(arguments));
    assert_eq!(leftovers(&sandbox.data()), Vec::<String>::new());
}

/// A file system of its own; gone with this.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    /// `None` where this user may not mount.
    fn new(path: &'a Path, options: &str) -> Option<Self> {
        std::fs::create_dir(path).unwrap();
        mount(&["-t", "tmpfs", "-o", options, "none"], path).then(|| Self(path))
    }

    fn change(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}")], self.0));
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    let output = Command::new("mount").args(arguments).arg(path).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_small_file_system_fills_and_is_made_larger() {
    let sandbox = Sandbox::new();
    let place = sandbox.path("disk");
    let Some(disk) = Mounted::new(&place, "size=1m") else {
        // Without the right to mount, the limit on files is what is tested.
        return;
    };
    let on_disk =
        |arguments: &[&str]| sandbox.run(&[&["--database", "dir:disk/data"], arguments].concat());
    let narrow = |arguments: &[&str]| {
        disk.change("size=1m");
        on_disk(arguments)
    };
    let wide = |arguments: &[&str]| {
        disk.change("size=100m");
        on_disk(arguments)
    };
    fill(&sandbox, narrow, wide);
    assert_eq!(leftovers(&place), Vec::<String>::new());
    disk.change("ro");
    assert_eq!(count(&on_disk(&["count", "s"])), 40_002);
    let ran = on_disk(&["put", "s", "k", "v"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(ran.stderr.contains("Read-only file system"), "{ran:?}");
}
