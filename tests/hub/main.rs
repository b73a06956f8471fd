//! `psistats-hub` and `psistats-hub masternode` as processes, between client nodes and subscribers of libzmq (through Debian's
//! python3-zmq), our own client node, and hostile peers; and its relay alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_possible_truncation)]

mod bad_input;
mod command_line;
mod crowds;
mod curve;
mod documents;
mod export;
mod hostile;
mod hub;
mod kept;
mod libzmq;
mod log;
mod login;
mod master;
mod openapi;
mod peers;
mod proxied;
mod rabbitmq;
mod relay;
mod seed;
mod serve;
mod slow;
mod tls;
