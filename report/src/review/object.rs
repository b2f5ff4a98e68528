//! A JSON object as a packet of tshark or a row of a log, whichever it is.

use super::columns::{self, Column, Row, column_of_ek};
use super::json;
use super::logs::Fields;

/// What a JSON object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    /// A line of `-T ek` that names an index.
    Action,
    Eve,
    Other,
    Packet,
    /// A packet in bytes alone.
    Raw,
    Zeek,
}

/// A JSON object, read as a packet and as a row of a log at once.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub(super) row: Row,
    pub(super) fields: Fields,
    has_layers: bool,
    has_raw: bool,
    is_action: bool,
}

impl Object {
    pub(super) fn read(&mut self, text: &[u8]) -> serde_json::Result<()> {
        self.row = Row::default();
        self.fields.clear();
        (self.has_layers, self.has_raw, self.is_action) = (false, false, false);
        let Self { row, fields, has_layers, has_raw, is_action } = self;
        let mut timestamp = String::new();
        let mut is_whole = false;
        json::visit(text, &mut |path, value| {
            let keys: [&str; 3] = std::array::from_fn(|at| path.get(at).map_or("", |key| key));
            let Some(key) = path.last() else { return };
            let column = match keys {
                ["_source", "layers", layer] => {
                    *has_layers = true;
                    *has_raw |= layer.ends_with("_raw");
                    is_whole |= path.len() > 3;
                    columns::column(key)
                }
                ["layers", ..] => {
                    *has_layers = true;
                    is_whole |= path.len() > 2;
                    column_of_ek(key)
                }
                ["index", ..] => return *is_action = true,
                ["timestamp", "", _] => {
                    timestamp = value.to_owned();
                    return fields.push(key, value);
                }
                _ => return fields.push(&path.join("."), value),
            };
            if let Some(column) = column {
                // Several fields name the same time.
                if column != Column::Time || row.text(column).is_empty() {
                    row.push(column, value);
                }
                row.know(column);
            }
        })?;
        if self.has_layers {
            if is_whole {
                self.row.know_all();
            }
            if self.row.text(Column::Time).is_empty() {
                self.row.push(Column::Time, &timestamp);
            }
        }
        Ok(())
    }

    pub(super) fn kind(&self) -> ObjectKind {
        if self.has_layers {
            let is_raw = self.has_raw && self.row.text(Column::Source).is_empty();
            return if is_raw { ObjectKind::Raw } else { ObjectKind::Packet };
        }
        if self.is_action {
            ObjectKind::Action
        } else if self.fields.get("id.orig_h").is_some() {
            ObjectKind::Zeek
        } else if self.fields.get("event_type").is_some() {
            ObjectKind::Eve
        } else {
            ObjectKind::Other
        }
    }
}
