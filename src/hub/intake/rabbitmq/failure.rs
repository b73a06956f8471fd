//! Why there is no connection, and what to do about it.

use std::fmt;

use amqprs::error::Error;

use crate::settings::Rabbitmq;
use psistats_host::conf::hosts::Host;

/// What the hub was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Channel,
    Exchange,
    Queue,
    Binding,
    Consume,
    Consuming,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Channel => "opening a channel",
            Self::Exchange => "declaring the exchange",
            Self::Queue => "declaring the queue",
            Self::Binding => "binding the queue",
            Self::Consume => "starting to consume",
            Self::Consuming => "consuming",
        })
    }
}

/// Why the broker closed the channel or the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Reply code; 0: it ended the consuming (Basic.Cancel).
    pub code: u16,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened, and what to do.
    pub text: String,
    /// The same attempt would get the same answer.
    pub needs_operator: bool,
    /// The connection ended without a word, when messages came.
    pub is_silent: bool,
}

impl Failure {
    fn passing(text: String) -> Self {
        Self { text, needs_operator: false, is_silent: false }
    }

    /// Nothing was answered in time.
    pub fn timeout(step: &str) -> Self {
        Self::passing(format!("no answer in time while {step}"))
    }

    /// The broker's frames are larger than is safe to read.
    pub fn of_frames(octets: u32, most: u32) -> Self {
        let text = format!(
            "its frames have up to {octets} bytes, where {most} are safe: set frame_max in rabbitmq.conf"
        );
        Self { needs_operator: true, ..Self::passing(text) }
    }

    /// Nobody is trusted.
    pub fn of_authorities(text: String) -> Self {
        Self { needs_operator: true, ..Self::passing(text) }
    }

    /// There is no connection.
    pub fn of_opening(error: &Error, host: &Host, settings: &Rabbitmq) -> Self {
        let text = error.to_string();
        let Rabbitmq { vhost, user, .. } = settings;
        if text.contains("Connection refused") {
            return Self::passing(format!(
                "connection refused: is RabbitMQ running and listening at {host}?"
            ));
        }
        // amqprs shows a Close as Debug does: its text is what stands in quotes.
        let quoted = text.split('"').nth(1).unwrap_or_default();
        if let Error::ConnectionOpenError(_) = error
            && !quoted.is_empty()
        {
            let is_refused = quoted.contains("NOT_ALLOWED");
            let advice = if is_refused {
                format!(
                    "; the virtual host \"{vhost}\" in [rabbitmq] url must exist, and user \"{user}\" have access to it"
                )
            } else {
                String::new()
            };
            return Self { needs_operator: is_refused, ..Self::passing(format!("{quoted}{advice}")) };
        }
        if let Some(advice) = tls_advice(&text, host, settings) {
            return Self::passing(advice);
        }
        // RabbitMQ tells the reason of a refused login only to clients that ask for it, which amqprs does not.
        if text.contains("peer shutdown") || text.contains("Connection reset") || text.contains("interrupted")
        {
            return Self {
                needs_operator: true,
                ..Self::passing(format!(
                    "login refused, or the broker stops: check user \"{user}\" and the password ([rabbitmq] url, pass); \
                     user guest may log in from the broker's own machine only"
                ))
            };
        }
        let text = text.trim_start_matches("AMQP network error: ").trim_start_matches("network io error: ");
        Self::passing(text.to_owned())
    }

    /// A connection has ended at `step`.
    pub fn at(step: Step, closed: Option<&Closed>, settings: &Rabbitmq) -> Self {
        let Some(Closed { code, text }) = closed else {
            let text = format!("the connection ended while {step}, without a reason");
            return Self {
                is_silent: matches!(step, Step::Consume | Step::Consuming),
                ..Self::passing(text)
            };
        };
        let Rabbitmq { vhost, user, queue, exchange, .. } = settings;
        let advice = match (code, step) {
            (0, _) => "it is declared again, where [rabbitmq] declare allows".to_owned(),
            (320, _) => "an operator or a shutdown ended it".to_owned(),
            (403, _) => format!(
                "user \"{user}\" lacks a permission: rabbitmqctl set_permissions -p {vhost} {user} CONFIGURE WRITE READ"
            ),
            (404, Step::Consume) if !settings.declare => {
                format!("create queue \"{queue}\", or set [rabbitmq] declare=yes")
            }
            (406, Step::Exchange) => format!(
                "exchange \"{exchange}\" exists with other arguments (received: ours, current: the broker's): make \
                 [rabbitmq] exchange_type and exchange_durable equal to [exchange] of the boards, or set [rabbitmq] \
                 declare=no and bind the queue yourself"
            ),
            (406, Step::Queue) => format!(
                "queue \"{queue}\" exists with other arguments (received: ours, current: the broker's): make [rabbitmq] \
                 type and single_active_consumer equal, delete the queue, or set [rabbitmq] declare=no"
            ),
            _ => String::new(),
        };
        let advice = if advice.is_empty() { advice } else { format!("; {advice}") };
        let code = if *code == 0 { String::new() } else { format!("{code} ") };
        Self {
            text: format!("while {step}, the broker answered {code}{text}{advice}"),
            needs_operator: matches!(closed, Some(Closed { code: 403 | 406, .. })) && step != Step::Consuming,
            is_silent: false,
        }
    }
}

/// What went wrong with TLS, and what to do; None where it is not TLS. amqprs hands on an error's text alone.
fn tls_advice(text: &str, host: &Host, settings: &Rabbitmq) -> Option<String> {
    let why = text.split_once("invalid peer certificate: ").map(|(_, why)| why);
    match why {
        Some("UnknownIssuer") => Some(match &settings.tls_ca {
            Some(file) => format!("its certificate is not signed by an authority in {}", file.display()),
            None => {
                "its certificate's authority is not one of this system's: name its file in [rabbitmq] tls_ca"
                    .into()
            }
        }),
        Some(why) => Some(format!("its certificate is not trusted: {why}")),
        None if text.contains("InvalidContentType") => {
            Some(format!("no TLS is spoken at {host}: expected the port of [rabbitmq] url with TLS, as 5671"))
        }
        None => None,
    }
}
