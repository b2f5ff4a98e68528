//! A JSON object as a packet of tshark or a row of a log, whichever it is.
//!
//! Shippers put objects of their own around the row of a log, or keep it as a text in one of
//! their fields.

use super::columns::{self, Column, Row, column_of_ek};
use super::json;
use super::logs::Fields;

/// What a JSON object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    /// A line of `-T ek` that names an index.
    Action,
    /// An event in the Elastic Common Schema.
    Ecs,
    Eve,
    Other,
    Packet,
    /// A packet in bytes alone.
    Raw,
    Zeek,
}

/// Keys under which shippers keep the line that they read.
const RAW_KEYS: [&str; 7] =
    ["MESSAGE", "_raw", "full_log", "message", "event.original", "original", "raw"];

/// A JSON object, read as a packet and as a row of a log at once.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub(super) row: Row,
    pub(super) fields: Fields,
    has_layers: bool,
    has_raw: bool,
    is_action: bool,
    kind: Option<ObjectKind>,
}

impl Object {
    /// Reads an object, or the line of a log that it holds as a text.
    pub(super) fn read(&mut self, text: &[u8]) -> serde_json::Result<()> {
        let line = self.read_outer(text)?;
        self.kind = self.find_kind();
        if matches!(self.kind, None | Some(ObjectKind::Ecs))
            && let Some(line) = line
        {
            let is_ecs = self.kind.is_some();
            // What is no JSON in there is somebody's words, and no fault of the object.
            let read = self.read_outer(line.as_bytes());
            self.kind = read.is_ok().then(|| self.find_kind()).flatten();
            if self.kind.is_none() && is_ecs {
                self.read_outer(text)?;
                self.kind = self.find_kind();
            }
        }
        Ok(())
    }

    /// Returns the line of a log that stands in it.
    fn read_outer(&mut self, text: &[u8]) -> serde_json::Result<Option<String>> {
        self.row = Row::default();
        self.fields.clear();
        (self.has_layers, self.has_raw, self.is_action) = (false, false, false);
        let Self { row, fields, has_layers, has_raw, is_action, .. } = self;
        let (mut line, mut name) = (None, String::new());
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
                _ => {
                    if value.starts_with('{') && RAW_KEYS.contains(&&**key) {
                        line = Some(value.to_owned());
                    }
                    name.clear();
                    for key in path {
                        if !name.is_empty() {
                            name.push('.');
                        }
                        name.push_str(key);
                    }
                    return fields.push(&name, value);
                }
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
        Ok(line)
    }

    pub(super) fn kind(&self) -> ObjectKind {
        self.kind.unwrap_or(ObjectKind::Other)
    }

    fn find_kind(&mut self) -> Option<ObjectKind> {
        if self.has_layers {
            let is_raw = self.has_raw && self.row.text(Column::Source).is_empty();
            return Some(if is_raw { ObjectKind::Raw } else { ObjectKind::Packet });
        }
        if self.is_action {
            Some(ObjectKind::Action)
        } else if self.fields.unwrap(&["id.orig_h", "id_orig_h"]) {
            Some(ObjectKind::Zeek)
        } else if self.fields.unwrap(&["event_type"]) {
            Some(ObjectKind::Eve)
        } else if self.fields.unwrap(&["source.ip"]) {
            Some(ObjectKind::Ecs)
        } else {
            None
        }
    }
}
