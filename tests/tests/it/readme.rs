//! What the README shows is what is there.

use std::path::Path;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_program_of_the_readme_is_the_example() {
    let example = file("host/examples/quickstart.rs");
    let (_, program) = example
        .split_once("\n\n")
        .expect("a doc comment and a program");
    let program = &program[program.find("use ").expect("a program")..];
    assert!(
        file("README.md").contains(&format!("```rust\n{program}```")),
        "README.md and quickstart.rs differ"
    );
}

#[test]
fn the_readme_names_the_limits_of_the_engine() {
    let readme = file("README.md");
    for limit in [
        sop_engine::limits::KEY_BYTES_MAX,
        sop_engine::limits::WRITES_MAX,
        sop_engine::limits::IDS_MAX,
    ] {
        let digits = limit.to_string();
        let (head, tail) = digits.split_at(digits.len().saturating_sub(3));
        assert!(
            readme.contains(&format!("{head},{tail}")),
            "{limit} is not in the README"
        );
    }
}
