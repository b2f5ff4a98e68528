//! From a text to packets and connections, whatever its shape.

use std::io::{self, Cursor, Read};

use dissect::{FlowFacts, Mark, Protocol, SkipReason, Timestamp};

use super::columns::{Column, Row};
use super::delimited::{Dialect, Found as FoundRow, Rows};
use super::detect::{self, Shape};
use super::info::{Reason, SourceKind};
use super::json::{Found as FoundValue, Values};
use super::logs::zeek::Header;
use super::logs::{Fields, Logged, ecs, eve, zeek};
use super::notes::{
    NAMED_MAX, Notes, kind_of_columns, log_notices, missing_columns, missing_rows, sight,
};
use super::object::{Object, ObjectKind};
use super::packet::{self, Taken};
use super::talk::Sight;
use super::times::Moment;
use super::{ReviewError, Reviewer, TextReport, text};

/// Bytes of the beginning that the shape is told by: more than the longest header.
const HEAD_LEN: usize = 64 << 10;

/// How far the times of two texts are apart that count from a moment of their own: more than any
/// rule about two connections looks back.
const GAP_NS: i64 = 3600 * 1_000_000_000;

/// Nanoseconds by which rows may be out of order, as those of several interfaces are.
const DISORDER_NS_MAX: i64 = 1_000_000_000;

/// Hellos of QUIC that are remembered, so that one that is sent again makes no connection: 2 MiB.
const QUIC_HELLOS_MAX: usize = 1 << 15;

/// Who got no answer for a minute has given up.
const REPETITION_NS_MAX: u64 = 60_000_000_000;

/// What a log of Zeek is that has several characters between its cells.
const WIDE_SEPARATOR: &str = "a log of Zeek with more than one character between its cells; \
     write it with LogAscii::separator of one";

/// What a log of Zeek is that is not `ssl.log`.
const OTHER_LOG: &str = "a log of Zeek that tells nothing of TLS; give ssl.log";

/// An input that ends where reading it fails: the rows before count, whatever reads ahead of them.
struct UntilFailure<R> {
    input: R,
    failed: Option<io::Error>,
}

impl<R: Read> Read for UntilFailure<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed.is_some() {
            return Ok(0);
        }
        match self.input.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.failed = Some(error);
                Ok(0)
            }
            read => read,
        }
    }
}

impl Reviewer {
    /// Reads a text to its end.
    ///
    /// # Errors
    ///
    /// When it is nothing that can be read, when its columns tell nothing, and when reading
    /// fails; what was read before is kept.
    pub fn read<R: Read>(&mut self, input: R) -> Result<TextReport, ReviewError> {
        let mut input = UntilFailure { input, failed: None };
        let report = self.read_until_failure(&mut input);
        input.failed.map_or(report, |error| Err(error.into()))
    }

    fn read_until_failure<R: Read>(&mut self, mut input: R) -> Result<TextReport, ReviewError> {
        let mut magic = Vec::new();
        input.by_ref().take(16).read_to_end(&mut magic)?;
        if let Some(words) = detect::foreign(&magic) {
            return Err(ReviewError::Foreign(words));
        }
        let mut input = text::decoded(Cursor::new(magic).chain(input))?;
        let mut head = Vec::new();
        input.by_ref().take(HEAD_LEN as u64).read_to_end(&mut head)?;
        let shape = detect::shape(&head).map_err(ReviewError::Foreign)?;
        self.files += 1;
        self.clock.base = match self.files {
            1 => 0,
            _ => self.clock.last.saturating_add(GAP_NS),
        };
        let mut notes = Notes::default();
        let kind = match shape {
            Shape::Table(dialect) => self.read_table(head, input, dialect, &mut notes),
            Shape::Zeek => self.read_zeek(head, input, &mut notes),
            Shape::Json => self.read_json(head, input, &mut notes),
        };
        let (kind, mut notices) = kind?;
        *self.reviewed.info.sources.entry(kind).or_default() += 1;
        notices.extend(missing_rows(kind, &notes));
        notices.extend(notes.into_notices());
        Ok(TextReport { kind, notices })
    }

    fn read_table<R: Read>(
        &mut self,
        head: Vec<u8>,
        input: R,
        dialect: Dialect,
        notes: &mut Notes,
    ) -> Result<(SourceKind, Vec<String>), ReviewError> {
        let mut rows = Rows::new(head, input, dialect);
        if rows.next_row()? != FoundRow::Row {
            return Err(ReviewError::Foreign("no table: its first line can't be read"));
        }
        rows.take_as_header();
        let mut row = Row::default();
        let mut places: Vec<Option<Column>> = Vec::new();
        for cell in rows.cells() {
            let column = detect::column_of(cell, dialect.quote);
            // Addresses of IPv4 and IPv6 stand in columns of their own; of two others that mean
            // the same, the first counts.
            let is_address = matches!(column, Some(Column::Source | Column::Destination));
            places.push(column.filter(|column| is_address || !row.knows(*column)));
            if let Some(column) = column {
                row.know(column);
            }
        }
        let kind = kind_of_columns(&row)?;
        let mut notices = missing_columns(&row, kind);
        let sight = sight(&row, kind);
        loop {
            let bytes = rows.bytes;
            let found = rows.next_row();
            self.reviewed.bytes_read += rows.bytes - bytes;
            match found? {
                FoundRow::End => break,
                FoundRow::Unreadable(why) => self.refuse(notes, rows.line, Reason::Malformed, why),
                FoundRow::Row => {
                    row.clear();
                    for (cell, column) in rows.cells().zip(&places) {
                        if let Some(column) = column {
                            row.push(*column, &String::from_utf8_lossy(cell));
                        }
                    }
                    self.take_row(&row, rows.line, sight, notes);
                }
            }
        }
        if notes.rows == 0 {
            notices.push("it has no rows".to_owned());
        }
        Ok((kind, notices))
    }

    fn read_zeek<R: Read>(
        &mut self,
        head: Vec<u8>,
        input: R,
        notes: &mut Notes,
    ) -> Result<(SourceKind, Vec<String>), ReviewError> {
        let header = Header::new(&head).ok_or(ReviewError::Foreign(WIDE_SEPARATOR))?;
        // Zeek quotes nothing: it writes a separator within a value as \x09.
        let mut rows = Rows::new(head, input, Dialect { delimiter: header.separator, quote: 0 });
        // Logs may stand one behind the other, each with its header.
        let mut header = header;
        let (mut is_of_tls, mut knows_tls) = (true, false);
        let mut fields = Fields::default();
        loop {
            let bytes = rows.bytes;
            let found = rows.next_row();
            self.reviewed.bytes_read += rows.bytes - bytes;
            match found? {
                FoundRow::End => break,
                FoundRow::Unreadable(why) => self.refuse(notes, rows.line, Reason::Malformed, why),
                FoundRow::Row => {
                    let mut cells = rows.cells().map(String::from_utf8_lossy);
                    let first = cells.next().unwrap_or_default();
                    if first.starts_with('#') {
                        header.take(&first, cells);
                        if first == "#fields" {
                            let has = |wanted: &str| header.names.iter().any(|name| name == wanted);
                            is_of_tls = zeek::is_ssl_log(has);
                            knows_tls |= is_of_tls;
                        }
                        continue;
                    }
                    if !is_of_tls {
                        self.pass_other();
                        continue;
                    }
                    if header.names.len() != cells.count() + 1 {
                        let why = "other cells than #fields names";
                        self.refuse(notes, rows.line, Reason::Malformed, why);
                        continue;
                    }
                    fields.clear();
                    header.read(rows.cells(), &mut fields);
                    self.take_logged(zeek::connection(&fields), rows.line, notes);
                }
            }
        }
        if !knows_tls {
            return Err(ReviewError::Foreign(OTHER_LOG));
        }
        Ok((SourceKind::Log, log_notices()))
    }

    fn read_json<R: Read>(
        &mut self,
        head: Vec<u8>,
        input: R,
        notes: &mut Notes,
    ) -> Result<(SourceKind, Vec<String>), ReviewError> {
        let mut values = Values::new(head, input);
        let mut object = Object::default();
        let (mut packets, mut logged, mut others, mut raw) = (0u64, 0u64, 0u64, 0u64);
        loop {
            let bytes = values.bytes;
            let found = values.next_value();
            self.reviewed.bytes_read += values.bytes - bytes;
            let line = values.line;
            match found? {
                FoundValue::End => break,
                FoundValue::Unreadable(why) => self.refuse(notes, line, Reason::Malformed, why),
                FoundValue::Value => {
                    if let Err(error) = object.read(values.value()) {
                        self.refuse(notes, line, Reason::Malformed, &error.to_string());
                        continue;
                    }
                    match object.kind() {
                        ObjectKind::Action => {}
                        ObjectKind::Raw => raw += 1,
                        ObjectKind::Packet => {
                            packets += 1;
                            let sight = sight(&object.row, SourceKind::Packets);
                            self.take_row(&object.row, line, sight, notes);
                        }
                        ObjectKind::Zeek
                            if !zeek::is_ssl_log(|name| object.fields.get(name).is_some()) =>
                        {
                            others += 1;
                            self.pass_other();
                        }
                        ObjectKind::Zeek => {
                            logged += 1;
                            self.take_logged(zeek::connection(&object.fields), line, notes);
                        }
                        kind @ (ObjectKind::Ecs | ObjectKind::Eve) => {
                            logged += 1;
                            let found = match kind {
                                ObjectKind::Ecs => ecs::connection(&object.fields),
                                _ => eve::connection(&object.fields),
                            };
                            match found {
                                Some(found) => self.take_logged(found, line, notes),
                                None => self.pass_other(),
                            }
                        }
                        ObjectKind::Other => {
                            let why = "no packet of tshark, and no event of Zeek or Suricata";
                            self.refuse(notes, line, Reason::Malformed, why);
                        }
                    }
                }
            }
        }
        if packets + logged == 0 && raw > 0 {
            return Err(ReviewError::Foreign(
                "bytes without fields (`-T jsonraw`), which is not read; use `-T ek`",
            ));
        }
        if packets + logged == 0 && others > 0 {
            return Err(ReviewError::Foreign(OTHER_LOG));
        }
        if packets + logged == 0 && notes.unreadable > 0 {
            return Err(ReviewError::Foreign(
                "JSON that holds no packets of tshark and no events of Zeek or Suricata",
            ));
        }
        Ok(match logged > packets {
            true => (SourceKind::Log, log_notices()),
            false => (SourceKind::Packets, Vec::new()),
        })
    }

    fn take_row(&mut self, row: &Row, line: u64, sight: Sight, notes: &mut Notes) {
        if row.is_empty() {
            return self.refuse(notes, line, Reason::Malformed, "nothing in any column");
        }
        let packet = match packet::packet(row) {
            Taken::Unreadable(reason, why) => return self.refuse(notes, line, reason, &why),
            Taken::NotIp => {
                self.reviewed.info.rows_read += 1;
                self.reviewed.counters.frames += 1;
                return self.reviewed.counters.skip(SkipReason::NotIp);
            }
            Taken::Packet(packet) => packet,
        };
        self.reviewed.info.rows_read += 1;
        notes.rows += 1;
        notes.has_bare_rows |= packet.is_bare();
        self.reviewed.counters.frames += 1;
        self.reviewed.counters.dissected += 1;
        let time = self.time_of(packet.moment, notes);
        let at = Mark { frame: packet.number.unwrap_or(notes.rows), time };
        self.table.take(*packet, at, self.files, sight);
    }

    /// Counts a row of something else than TLS.
    fn pass_other(&mut self) {
        self.reviewed.info.rows_read += 1;
        self.reviewed.info.rows_of_others += 1;
    }

    fn take_logged(&mut self, logged: Logged, line: u64, notes: &mut Notes) {
        match logged {
            Err(why) => self.refuse(notes, line, Reason::Value, &why),
            Ok((moment, mut facts)) => {
                let time = self.time_of(Some(moment), notes);
                if facts.protocol == Protocol::Quic && !self.begins_quic(&facts, time) {
                    return self.pass_other();
                }
                self.reviewed.info.rows_read += 1;
                notes.rows += 1;
                let at = Mark { frame: notes.rows, time };
                (facts.first, facts.last) = (at, at);
                if let Some(hello) = &mut facts.client_hello {
                    hello.at = at;
                }
                if let Some(hello) = &mut facts.server_hello {
                    hello.at = at;
                }
                facts.alerts.iter_mut().for_each(|alert| alert.at = at);
                if let Some(refusal) = &mut facts.refusal {
                    refusal.at = at;
                }
                self.table.take_whole(facts);
            }
        }
    }

    /// Whether a logged hello of QUIC is no repetition, of which each has an event.
    fn begins_quic(&mut self, facts: &FlowFacts, time: Timestamp) -> bool {
        if self.quic_hellos.len() >= QUIC_HELLOS_MAX {
            self.quic_hellos.clear();
        }
        let before = self.quic_hellos.insert((facts.client, facts.server), time);
        before.is_none_or(|before| time.nanos_since(before).unsigned_abs() > REPETITION_NS_MAX)
    }

    fn time_of(&mut self, moment: Option<Moment>, notes: &mut Notes) -> Timestamp {
        let nanos = match moment {
            Some(Moment::Absolute(nanos)) => nanos,
            Some(Moment::Relative(nanos)) => {
                notes.has_relative_times = true;
                self.clock.base.saturating_add(nanos)
            }
            None => {
                notes.has_no_times = true;
                notes.last.unwrap_or(self.clock.base)
            }
        };
        notes.goes_back |= notes.last.is_some_and(|last| nanos < last - DISORDER_NS_MAX);
        notes.last = Some(nanos);
        self.clock.last = self.clock.last.max(nanos);
        let time = Timestamp::from_nanos(nanos);
        let reviewed = &mut self.reviewed;
        reviewed.first_time = Some(reviewed.first_time.map_or(time, |first| first.min(time)));
        reviewed.last_time = Some(reviewed.last_time.map_or(time, |last| last.max(time)));
        time
    }

    fn refuse(&mut self, notes: &mut Notes, line: u64, reason: Reason, why: &str) {
        self.reviewed.info.rows_read += 1;
        *self.reviewed.info.rows_not_understood.entry(reason).or_default() += 1;
        notes.unreadable += 1;
        if notes.unreadable <= NAMED_MAX {
            notes.named.push(format!("line {line} was not understood: {why}"));
        }
    }
}

/// Any bytes, as the fuzzer gives them.
#[cfg(any(test, fuzzing))]
pub(crate) fn survive(bytes: &[u8]) {
    let mut reviewer = Reviewer::new(64 << 10);
    let half = bytes.len() / 2;
    for text in [bytes, &bytes[..half]] {
        let _: Result<_, _> = reviewer.read(text);
    }
    let reviewed = reviewer.finish();
    let info = &reviewed.info;
    assert!(info.rows_read >= info.not_understood() + info.rows_of_others);
    assert!(reviewed.counters.balances());
}
