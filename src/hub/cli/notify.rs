//! `psistats-hub notify`: whether a receiver of alerts hears.

use std::path::Path;

use tokio::task::LocalSet;

use crate::alerts::Message;
use crate::clock::unix_ms;
use crate::settings::{self, Needs};
use psistats_host::output::complain;

/// Sends one message to the receiver of that name, once.
///
/// # Errors
/// There is none of that name, or it did not take the message.
pub fn test(name: &str, config: Option<&Path>) -> Result<(), String> {
    let (settings, warnings) =
        settings::of_hub(config, Needs::Tokens).map_err(|problems| problems.to_string())?;
    warnings.iter().for_each(|warning| complain(format_args!("{warning:#}")));
    let receivers = settings.alerts.receivers;
    let Some(receiver) = receivers.iter().find(|receiver| receiver.name == name) else {
        let names: Vec<_> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
        return Err(match names[..] {
            [] => format!("there is no section [notify:{name}] in the configuration"),
            _ => format!(
                "there is no section [notify:{name}] in the configuration, but of: {}",
                names.join(", ")
            ),
        });
    };
    let message = Message::test(unix_ms());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let delivered = LocalSet::new().block_on(&runtime, receiver.kind.deliver(&message));
    let said = delivered.map_err(|failure| format!("[notify:{name}]: {}", failure.why))?;
    super::answer(format_args!("[notify:{name}]: delivered, {said}"))
}
