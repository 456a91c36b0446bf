//! Builds the components that the library carries: the engine, and the adapters that give plugins
//! `wasi:keyvalue`.
//!
//! They are compiled by the same cargo for `wasm32-unknown-unknown` into target directories of their own
//! below `OUT_DIR`. An environment variable takes one that was built before:
//! `SOP_ENGINE_COMPONENT=/path/to/engine.wasm`, `SOP_KEYVALUE_DRAFT_COMPONENT=…`,
//! `SOP_KEYVALUE_DRAFT2_COMPONENT=…`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TARGET: &str = "wasm32-unknown-unknown";

/// A component, and the variable that names the file with it: given by the caller, or told to the library
/// with `_BUILT`.
struct Component {
    variable: &'static str,
    package: &'static str,
    /// The folder of its cargo workspace, from the root of the project.
    workspace: &'static str,
    profile: &'static str,
    /// What it is made of, from the root of the project.
    inputs: &'static [&'static str],
}

const ADAPTER_INPUTS: &[&str] = &[
    "guest-examples/keyvalue",
    "guest-examples/Cargo.toml",
    "guest-examples/Cargo.lock",
    "wit",
];

const COMPONENTS: [Component; 3] = [
    Component {
        variable: "SOP_ENGINE_COMPONENT",
        package: "sop-engine",
        workspace: ".",
        profile: "component",
        inputs: &[
            "engine/src",
            "engine/Cargo.toml",
            "wit",
            "Cargo.toml",
            "Cargo.lock",
        ],
    },
    Component {
        variable: "SOP_KEYVALUE_DRAFT_COMPONENT",
        package: "keyvalue-draft",
        workspace: "guest-examples",
        profile: "release",
        inputs: ADAPTER_INPUTS,
    },
    Component {
        variable: "SOP_KEYVALUE_DRAFT2_COMPONENT",
        package: "keyvalue-draft2",
        workspace: "guest-examples",
        profile: "release",
        inputs: ADAPTER_INPUTS,
    },
];

/// What `sop plugin new` writes: files that are new in there are noticed like changed ones.
const KITS: [&str; 5] = [
    "host/src/cli/plugin/templates",
    "guest-examples/sdk",
    "guest-examples/python",
    "guest-examples/javascript",
    "guest-examples/c",
];

fn main() -> Result<()> {
    for kit in KITS {
        println!("cargo::rerun-if-changed=../{kit}");
    }
    for component in &COMPONENTS {
        let variable = component.variable;
        println!("cargo::rerun-if-env-changed={variable}");
        let path = match std::env::var_os(variable) {
            Some(path) => prebuilt(variable, &PathBuf::from(path))?,
            None => component.build()?,
        };
        println!("cargo::rustc-env={variable}_BUILT={}", path.display());
    }
    Ok(())
}

fn prebuilt(variable: &str, path: &Path) -> Result<PathBuf> {
    println!("cargo::rerun-if-changed={}", path.display());
    path.canonicalize()
        .map_err(|error| format!("{variable}={}: {error}", path.display()).into())
}

impl Component {
    fn build(&self) -> Result<PathBuf> {
        let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?)
            .join("..")
            .canonicalize()?;
        for input in self.inputs {
            println!("cargo::rerun-if-changed={}", root.join(input).display());
        }
        let workspace = root.join(self.workspace);
        let target_directory =
            PathBuf::from(std::env::var("OUT_DIR")?).join(match self.workspace {
                "." => "engine",
                other => other,
            });
        let output = Command::new(std::env::var("CARGO")?)
            .args(["build", "--lib", "--target", TARGET])
            .args(["--package", self.package, "--profile", self.profile])
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
            // Flags and wrappers for the host's target mean nothing for a component.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("CARGO_BUILD_TARGET")
            .env_remove("RUSTC_WORKSPACE_WRAPPER")
            .output()?;
        if !output.status.success() {
            return Err(self.failure(&String::from_utf8_lossy(&output.stderr)));
        }
        Ok(target_directory
            .join(TARGET)
            .join(self.profile)
            .join(self.package.replace('-', "_"))
            .with_extension("wasm"))
    }

    fn failure(&self, message: &str) -> Box<dyn Error> {
        let missing = message.contains("target may not be installed")
            || message.contains("can't find crate for `core`");
        let advice = if missing {
            format!("\n\nThe target is missing: run `rustup target add {TARGET}`.")
        } else {
            String::new()
        };
        let package = self.package;
        format!("building the component {package} failed:\n{message}{advice}").into()
    }
}
