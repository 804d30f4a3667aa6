//! Peers that `tests/run` installs from PyPI, into an environment of their own below cargo's build output.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of that environment, such as `sipvicious_svmap`. Missing: as [`super::have`].
pub fn program(name: &str) -> Option<PathBuf> {
    let path = environment().join("bin").join(name);
    if path.is_file() || super::have(&[name]) {
        return Some(path);
    }
    None
}

/// The interpreter that can import this module.
pub fn with_module(module: &str) -> Option<PathBuf> {
    let python = environment().join("bin/python");
    let has_module = Command::new(&python)
        .args(["-c", &format!("import {module}")])
        .output()
        .is_ok_and(|output| output.status.success());
    if has_module {
        return Some(python);
    }
    super::have(&[&format!("python with {module}")]).then_some(python)
}

/// The text of axe-core, which looks for what shuts people out of a page (WCAG). Missing: as [`super::have`].
pub fn axe() -> Option<String> {
    let python = with_module("axe_core_python")?;
    let output = Command::new(python)
        .args(["-c", "import axe_core_python as it; print(it.__path__[0])"])
        .output()
        .ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    std::fs::read_to_string(Path::new(folder.trim()).join("axe.min.js")).ok()
}

fn environment() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().expect("the build output").join("peers")
}
