//! Builds the engine as a WebAssembly component, so that the library can carry it.
//!
//! The engine is compiled by the same cargo for `wasm32-unknown-unknown` into a target directory of its own below
//! `OUT_DIR`. `SOP_ENGINE_COMPONENT=/path/to/engine.wasm` takes one that was built before.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";
const PREBUILT: &str = "SOP_ENGINE_COMPONENT";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={PREBUILT}");
    let component = match std::env::var_os(PREBUILT) {
        Some(path) => prebuilt(&PathBuf::from(path))?,
        None => build()?,
    };
    println!(
        "cargo::rustc-env=SOP_ENGINE_COMPONENT_BUILT={}",
        component.display()
    );
    Ok(())
}

fn prebuilt(path: &Path) -> Result<PathBuf, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", path.display());
    path.canonicalize()
        .map_err(|error| format!("{PREBUILT}={}: {error}", path.display()).into())
}

fn build() -> Result<PathBuf, Box<dyn Error>> {
    let workspace = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?)
        .join("..")
        .canonicalize()?;
    for input in [
        "engine/src",
        "engine/Cargo.toml",
        "wit",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(input).display()
        );
    }
    let target_directory = PathBuf::from(std::env::var("OUT_DIR")?).join("engine");
    let output = Command::new(std::env::var("CARGO")?)
        .args([
            "build",
            "--package",
            "sop-engine",
            "--lib",
            "--profile",
            "component",
            "--target",
            TARGET,
        ])
        .arg("--target-dir")
        .arg(&target_directory)
        .arg("--manifest-path")
        .arg(workspace.join("Cargo.toml"))
        .current_dir(&workspace)
        // The toolchain's own component linker, whatever directory cargo was called from.
        .env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
            "wasm-component-ld",
        )
        // Flags and wrappers for the host's target mean nothing for the engine.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .output()?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let missing = message.contains("target may not be installed")
            || message.contains("can't find crate for `core`");
        let advice = if missing {
            format!("\n\nThe target is missing: run `rustup target add {TARGET}`.")
        } else {
            String::new()
        };
        return Err(format!("building the engine component failed:\n{message}{advice}").into());
    }
    Ok(target_directory
        .join(TARGET)
        .join("component")
        .join("sop_engine.wasm"))
}
