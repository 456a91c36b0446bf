//! `sop plugin new` makes projects that build, run and pass their tests as they stand.
//!
//! Method: the commands of their Makefiles. Components in Python, JavaScript and C need builders that the gate does not
//! install: `make plugins` builds those.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::histories::shell::binary;

/// Where cargo built the example plugins: what both need is there already.
fn guest_target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-examples/target"),
    }
}

fn project(language: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("visits");
    let made = Command::new(binary())
        .args(["plugin", "new", "--lang", language])
        .arg(&project)
        .output()
        .unwrap();
    succeeded(&made);
    (folder, project)
}

fn make(project: &Path, target: &str) -> Output {
    let target_directory = guest_target().canonicalize().unwrap();
    Command::new("make")
        .arg("-C")
        .arg(project)
        .arg("--no-print-directory")
        .arg(format!("SOP={}", binary().display()))
        .arg(target)
        .env("CARGO_TARGET_DIR", target_directory)
        // The flags of the make that runs these tests are not for this one.
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .output()
        .unwrap()
}

fn succeeded(output: &Output) {
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{}\n{}", said[0], said[1]);
}

#[test]
fn a_project_in_rust_builds_runs_and_is_tested() {
    let (_folder, project) = project("rust");
    succeeded(&make(&project, "test"));
    for visits in 1..=2 {
        let run = make(&project, "run");
        succeeded(&run);
        let answer = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(
            answer.ends_with(&format!("{{\"visits\":{visits}}}")),
            "{answer}"
        );
    }
}

#[test]
fn projects_in_python_javascript_and_c_are_tested_without_builders() {
    for language in ["python", "js", "c"] {
        let (_folder, project) = project(language);
        succeeded(&make(&project, "test"));
    }
}

#[test]
fn what_is_there_stays_as_it_is() {
    let (_folder, project) = project("python");
    std::fs::write(project.join("app.py"), "mine").unwrap();
    let again = Command::new(binary())
        .args(["plugin", "new"])
        .arg(&project)
        .output()
        .unwrap();
    assert!(!again.status.success());
    let message = String::from_utf8_lossy(&again.stderr);
    assert!(message.contains("exists"), "{message}");
    assert_eq!(
        std::fs::read_to_string(project.join("app.py")).unwrap(),
        "mine"
    );
}
