//! The program that libFuzzer drives; the variable `EDSR_FUZZ_TARGET` names the target.
#![no_main]

use std::sync::LazyLock;

use edsr_fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("EDSR_FUZZ_TARGET").unwrap_or_default();
    edsr_fuzz::target(&name).unwrap_or_else(|| panic!("EDSR_FUZZ_TARGET={name} is no target"))
});

fuzz_target!(|data: &[u8]| (TARGET.run)(data));
