//! Databases at wrong places, without permission, or busy; and commands that are a word short.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use serde_json::Value;

use super::{Ran, Sandbox, exists};

fn message(sandbox: &Sandbox, code: i32, arguments: &[&str]) -> String {
    let ran = sandbox.run(&[&["--json"], arguments].concat());
    assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
    let answer: Value = serde_json::from_slice(&ran.stdout).unwrap();
    answer["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_mistyped_place_is_told_once_and_not_made() {
    let sandbox = Sandbox::new();
    for command in [
        &["stores"][..],
        &["put", "s", "k", "v"],
        &["insert", "s", "k", "v"],
        &["update", "s", "k", "v"],
        &["rm", "s", "k"],
        &["compact"],
        &["checkpoint"],
    ] {
        let told = message(&sandbox, 8, command);
        assert!(
            told.starts_with("no database at data:") && told.matches("no database").count() == 1,
            "{told}"
        );
        assert!(!exists(&sandbox.data()), "{command:?}");
    }
    sandbox.ok(&["put", "--create", "s", "k", "v"]);
}

#[test]
fn places_that_cannot_be_databases_are_foreign() {
    let sandbox = Sandbox::new();
    sandbox.file("file", "text");
    std::os::unix::fs::symlink("nowhere", sandbox.path("link")).unwrap();
    std::fs::create_dir_all(sandbox.path("folder/format")).unwrap();
    let long = format!("dir:{}", "x".repeat(300));
    for (place, says) in [
        ("dir:file", "it is a file"),
        ("dir:file/below", "a part of its path is a file"),
        ("dir:link", "a link that leads nowhere"),
        (long.as_str(), "too long"),
    ] {
        let told = message(&sandbox, 8, &["--database", place, "stores"]);
        assert!(told.contains(says), "{told}");
    }
    let told = message(&sandbox, 6, &["--database", "dir:folder", "create", "s"]);
    assert!(told.contains("folder/format"), "{told}");
    assert!(!exists(&sandbox.path("nowhere")));
}

/// Runs as a user to whom the permissions of files apply; `None` if there is no way to.
fn unprivileged(sandbox: &Sandbox, arguments: &[&str]) -> Option<Ran> {
    let mut command = sandbox.command(arguments);
    let id = std::process::Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        // The program may lie where only root can go.
        let program = sandbox.path("sop");
        if !exists(&program) {
            std::fs::copy(env!("CARGO_BIN_EXE_sop"), &program).unwrap();
        }
        command = std::process::Command::new(program);
        command
            .args(arguments)
            .current_dir(sandbox.path(""))
            .env("SOP_DATABASE", "dir:data")
            .env_remove("SOP_LOG")
            .env_remove("HOME")
            .env_remove("XDG_CACHE_HOME")
            .uid(65_534)
            .gid(65_534);
    }
    let output = command.output().ok()?;
    Some(Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    })
}

#[test]
fn without_permission_nothing_is_read_or_written() {
    let sandbox = Sandbox::with_store();
    sandbox.ok(&["put", "s", "k", "v"]);
    let mode = |path: &std::path::Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&sandbox.path(""), 0o755);
    let (lock, format) = (sandbox.data().join("lock"), sandbox.data().join("format"));
    mode(&lock, 0o444);
    let Some(ran) = unprivileged(&sandbox, &["put", "s", "k", "w"]) else {
        return;
    };
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(
        ran.stderr.contains("data/lock") && ran.stderr.contains("Permission denied"),
        "{ran:?}"
    );
    mode(&format, 0o000);
    for command in [&["get", "s", "k"][..], &["put", "s", "k", "w"]] {
        let ran = unprivileged(&sandbox, command).unwrap();
        assert_eq!(ran.code, 7, "{ran:?}");
        assert!(ran.stderr.contains("data/format"), "{ran:?}");
    }
    mode(&format, 0o644);
    mode(&lock, 0o644);
    assert_eq!(sandbox.ok(&["get", "s", "k"]), "v");
}

#[test]
fn a_word_that_is_missing_is_named() {
    let sandbox = Sandbox::with_store();
    let told = message(&sandbox, 2, &["put", "s"]);
    assert!(told.contains("<KEY> <VALUE>"), "{told}");
    let told = message(&sandbox, 2, &["put", "s", "k", "@"]);
    assert!(told.contains("@PATH"), "{told}");
    // The key is missing, not the store.
    let told = message(&sandbox, 3, &["update", "s", "k", "v"]);
    assert!(told.contains('k') && !told.contains("sop create"), "{told}");
    let told = message(&sandbox, 1, &["export", "s", "no/such/file"]);
    assert!(told.starts_with("no/such/file: "), "{told}");
}

#[test]
fn too_few_handles_are_told_and_lose_nothing() {
    let sandbox = Sandbox::with_store();
    let mut written = 0;
    for handles in 6..40 {
        let key = format!("k{handles}");
        let mut command = std::process::Command::new("sh");
        let script = "ulimit -n \"$0\"; exec \"$@\"";
        let limit = handles.to_string();
        let program = env!("CARGO_BIN_EXE_sop");
        command.args(["-c", script, &limit, program, "put", "s", &key, "v"]);
        command
            .current_dir(sandbox.path(""))
            .env("SOP_DATABASE", "dir:data");
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {
                written += 1;
                assert_eq!(sandbox.ok(&["get", "s", &key]), "v");
            }
            Some(5) => assert!(stderr.contains("Too many open files"), "{stderr}"),
            // The loader of the system itself had too few.
            Some(127) => {}
            code => unreachable!("{handles} handles: {code:?}: {stderr}"),
        }
    }
    assert!(written > 0);
    sandbox.ok(&["verify"]);
}
