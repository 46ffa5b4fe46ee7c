//! Finding a program, without help from any environment.

use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// Where programs without a path are looked up, and the `PATH` they get unless `env` sets another.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why there is no such program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LookupError {
    #[error("the program `{0}` is not in `{PATH}`; name it by its path")]
    Unlisted(String),
    #[error("the program `{}` does not exist", .0.display())]
    Missing(PathBuf),
    #[error("the program `{}` is not a file that may be executed", .0.display())]
    NotExecutable(PathBuf),
}

/// The absolute path of `name`, whose relative paths start from `cwd`.
pub(super) fn program(name: &str, cwd: &Path) -> Result<PathBuf, LookupError> {
    if name.contains('/') {
        let path = cwd.join(name);
        return match path.metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(LookupError::Missing(path))
            }
            _ if is_executable(&path) => Ok(path),
            _ => Err(LookupError::NotExecutable(path)),
        };
    }
    PATH.split(':')
        .map(|dir| Path::new(dir).join(name))
        .find(|path| is_executable(path))
        .ok_or_else(|| LookupError::Unlisted(name.to_owned()))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("data"), "x").unwrap();
        std::os::unix::fs::symlink("/bin/sh", dir.path().join("tool")).unwrap();
        let find = |name: &str| program(name, dir.path());
        assert!(find("sh").unwrap().is_absolute());
        assert!(find("/bin/sh").is_ok());
        assert!(find("./tool").unwrap().starts_with(dir.path()));
        assert_eq!(
            find("tool"),
            Err(LookupError::Unlisted("tool".into())),
            "not from cwd"
        );
        assert!(matches!(find("./gone"), Err(LookupError::Missing(_))));
        assert!(matches!(find("./data"), Err(LookupError::NotExecutable(_))));
        assert!(matches!(find("/tmp/"), Err(LookupError::NotExecutable(_))));
    }
}
