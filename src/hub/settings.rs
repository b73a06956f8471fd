//! What the hub reads of psistats.conf: `[chasar]`, which the agent reads too. Every other section is the agent's:
//! nothing of it is looked at, and none is unknown.

use std::path::Path;

use psistats_host::conf::chasar::{self, Chasar};
use psistats_host::conf::find::find;
use psistats_host::conf::{Problem, Problems, Reading, ini, near};

/// What the configuration says to the hub.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Settings {
    /// `[chasar]`
    pub chasar: Chasar,
}

/// Reads `explicit` (`--config`), or else the first file of the usual places, or else gives the defaults; with what
/// the operator should know and nothing stops at.
///
/// # Errors
/// What is wrong with the file.
pub fn load(explicit: Option<&Path>) -> Result<(Settings, Vec<Problem>), Problems> {
    let mut settings = Settings::default();
    let (found, mut warnings) = find(explicit, true)?;
    if let Some(found) = found {
        let ini = ini::parse_sections(&found.bytes, &found.path, &is_for_the_hub)?;
        let mut reading = Reading::new(&ini, &found.path);
        chasar::read(&mut reading, &mut settings.chasar);
        warnings.append(&mut reading.finish()?);
    }
    Ok((settings, warnings))
}

/// Whether a section is one of the hub's, or is perhaps a misspelt one.
fn is_for_the_hub(section: &str) -> bool {
    near(section, [chasar::NAME].into_iter()).is_some()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The outcome of loading a file with this text.
    fn load_text(text: &str) -> Result<(Settings, Vec<Problem>), Problems> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        fs::write(&file, text).unwrap();
        load(Some(&file))
    }

    #[test]
    fn what_is_wrong_in_the_agents_sections_does_not_stop_the_hub() {
        for text in [
            "[queue]\ntype=magic\n",
            "[queue]\nno sign\n  [further]\n=\n",
            "[app]\npidfile=\n",
            "[logger_root]\nlevel=LOUD\n",
            "[server]\npass=@file:/nowhere/password\n",
            "[server]\npass=@credential:broker\n",
            "[mem]\nenabled=perhaps\n",
        ] {
            assert_eq!(load_text(text).unwrap(), (Settings::default(), vec![]), "{text}");
        }
        assert!(load_text("[chasar]\nport=0\n").is_err());
        // Where a section begins concerns every reader.
        assert!(load_text("[server\n").is_err());
        assert!(load_text("[server]\nuser=\0\n").is_err());
    }

    #[test]
    fn of_the_agents_sections_nothing_is_warned_of_but_what_may_be_a_misspelt_one_of_the_hubs() {
        let text = "[serevr]\na=1\n[server]\nb=2\nb=3\n[chaser]\nport=1\n[chasar]\nmaster=m:1\nprot=1\n\
                    [DEFAULT]\nport=7\nheartbeat=5\n";
        let (settings, warnings) = load_text(text).unwrap();
        assert_eq!((settings.chasar.master.port, settings.chasar.port), (1, 7));
        let warned: Vec<_> = warnings.iter().map(|problem| problem.text.as_str()).collect();
        assert_eq!(
            warned,
            [
                "[chaser]: unknown section, did you mean [chasar]?",
                "[chasar] prot: unknown key, did you mean port?"
            ]
        );
    }
}
