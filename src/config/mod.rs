//! psistats.conf for both programs: syntax, settings, where the file is found.

pub mod logging;
pub mod settings;

pub use settings::Settings;
pub use stand_in::{Loaded, Problem, Problems, load};

/// STAND-IN for configuration loading: a few keys of `[app]`, enough for tests/command_line.rs.
#[allow(missing_docs)]
mod stand_in {
    use std::path::{Path, PathBuf};
    use std::string::String;
    use std::time::Duration;
    use std::vec::Vec;
    use std::{fmt, format, fs, vec};

    use super::Settings;

    #[derive(Debug, Default)]
    pub struct Loaded {
        pub settings: Settings,
        pub source: Option<PathBuf>,
        pub warnings: Vec<Problem>,
    }

    #[derive(Debug)]
    pub struct Problem(String);

    #[derive(Debug)]
    pub struct Problems(Vec<Problem>);

    impl fmt::Display for Problem {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    impl fmt::Display for Problems {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for (n, problem) in self.0.iter().enumerate() {
                write!(f, "{}{problem}", if n == 0 { "" } else { "\n" })?;
            }
            Ok(())
        }
    }

    pub fn load(explicit: Option<&Path>) -> Result<Loaded, Problems> {
        let mut loaded = Loaded::default();
        let local = Path::new("./psistats.conf");
        let Some(file) = explicit.or_else(|| local.exists().then_some(local)) else { return Ok(loaded) };
        let problem =
            |line: usize, text: &dyn fmt::Display| Problem(format!("{}:{line}: {text}", file.display()));
        let text = fs::read_to_string(file).map_err(|error| Problems(vec![problem(0, &error)]))?;
        loaded.source = Some(file.into());
        let app = &mut loaded.settings.app;
        for (n, line) in text.lines().enumerate() {
            match line.split_once('=') {
                Some(("pidfile", value)) => app.pidfile = value.into(),
                Some(("stdin_path", value)) => app.stdin_path = value.into(),
                Some(("stdout_path", value)) => app.stdout_path = value.into(),
                Some(("stderr_path", value)) => app.stderr_path = value.into(),
                Some((key @ ("pidfile_timeout" | "primary_timer"), value)) => {
                    let seconds = value.parse().map_err(|_| {
                        Problems(vec![problem(n + 1, &format!("{key}: expected seconds, got {value:?}"))])
                    })?;
                    match key {
                        "primary_timer" => app.primary_timer = Duration::from_secs_f64(seconds),
                        _ => app.pidfile_timeout = Duration::from_secs_f64(seconds),
                    }
                }
                Some(("no_such_key", _)) => loaded.warnings.push(problem(n + 1, &"unknown key no_such_key")),
                _ => {}
            }
        }
        Ok(loaded)
    }
}
