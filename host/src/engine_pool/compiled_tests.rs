//! Compiled components: found again, and never trusted when damaged.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use super::*;

fn empty(engine: &Engine) -> Component {
    let text = "(component (core module (func (export \"f\"))))";
    Component::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

#[test]
fn what_was_saved_is_loaded_and_damage_is_noticed() {
    let engine = Engine::default();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.cwasm");
    assert!(load(&engine, &path).is_none());
    let compiled = empty(&engine);
    save(&path, &compiled.serialize().unwrap()).unwrap();
    assert!(load(&engine, &path).is_some());

    let sound = std::fs::read(&path).unwrap();
    for position in [0, sound.len() / 2, sound.len() - 1] {
        let mut damaged = sound.clone();
        *damaged.get_mut(position).unwrap() ^= 1;
        std::fs::write(&path, damaged).unwrap();
        assert!(load(&engine, &path).is_none(), "byte {position}");
    }
    for length in [0, 31, sound.len() - 1] {
        std::fs::write(&path, sound.get(..length).unwrap()).unwrap();
        assert!(load(&engine, &path).is_none(), "length {length}");
    }
}

#[test]
fn a_file_that_others_can_write_is_not_loaded() {
    use std::os::unix::fs::PermissionsExt;
    let engine = Engine::default();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.cwasm");
    save(&path, &empty(&engine).serialize().unwrap()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o620)).unwrap();
    assert!(load(&engine, &path).is_none());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let link = directory.path().join("b.cwasm");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(load(&engine, &link).is_none());
}

#[test]
fn the_key_depends_on_content_and_configuration() {
    let (plain, mut config) = (Engine::default(), wasmtime::Config::new());
    config.epoch_interruption(true);
    let other = Engine::new(&config).unwrap();
    assert_eq!(key(&plain, b"a"), key(&plain, b"a"));
    assert_ne!(key(&plain, b"a"), key(&plain, b"b"));
    assert_ne!(key(&plain, b"a"), key(&other, b"a"));
}
