//! Makes captures of TLS connections and shows them to a dissector.

mod capture;
mod certificate;
mod conversation;
mod tls;

pub(crate) use capture::{Lens, facts, rows, same, see};
pub(crate) use conversation::{Conversation, Packet, flag};
pub(crate) use tls::{
    Hello, Reply, alert, alert_record, change_cipher_spec, client_key_exchange, data, finished,
    handshake, message, record, retry, server_flight, sslv2_hello, sslv2_server_hello,
};
