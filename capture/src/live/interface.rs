//! One interface as one reader has it: its libpcap handle, its counts, and whether it is there.

use std::time::{Duration, Instant};

use dissect::{LinkType, Pairing, Timestamp};
use pcap::{Active, Capture};

use super::ahead::Ahead;
use super::handle::{link_type, open_handle, time_of};
use super::system::{self, LinkState};
use super::{InterfaceCounts, LiveEvent, LiveOptions, UNSEEN, now};
use crate::CaptureError;

/// Frames taken before others get their turn; bounds what a block is overfilled by.
const FRAMES_AT_ONCE: usize = 64;
/// Turns of one interface before the others get theirs.
const TURNS_MAX: usize = 64;
/// For how long an interface that went is read still: its socket keeps what came before, of which
/// the kernel hands over the last block by its timer.
const LINGER: Duration = UNSEEN;

/// Bytes that the kernel puts before a frame in its buffer, those to align it included.
const HEADER_BYTES: usize = 96;

/// Where frames go.
pub(super) trait Sink {
    /// Whether it should take no more before it gave some away.
    fn is_full(&self) -> bool;

    /// Takes a frame, whose bytes are gone afterwards.
    fn push(&mut self, link: LinkType, time: Timestamp, wire_len: u32, data: &[u8]);
}

/// What a look at an interface found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Frames, and there may be more.
    More,
    /// Frames, and these were all.
    Last,
    /// No frames.
    Nothing,
}

/// A reader's part in an interface.
enum Role {
    /// It is the only reader.
    Only,
    /// It tells what happens to the interface. Sockets that share one can't be bound anew, so it
    /// has one in reserve, on no interface, for when the interface goes and comes back.
    First(Capture<Active>),
    /// It reads its share as long as the interface is there.
    Further,
}

/// Frames of before this time are none of ours, for the moment that they may come.
#[derive(Clone, Copy)]
struct Beginning {
    time: Timestamp,
    noted: Instant,
}

impl Beginning {
    /// For how long older frames may come; a clock that is not the system's rules no longer.
    const PASSES_AFTER: Duration = Duration::from_secs(1);

    fn here() -> Self {
        Self { time: now(), noted: Instant::now() }
    }
}

pub(super) struct Interface {
    name: String,
    options: LiveOptions,
    role: Role,
    /// None once a further reader's interface is gone.
    handle: Option<Capture<Active>>,
    link: LinkType,
    /// The number that the system knows the interface by.
    index: u32,
    /// Since when it does not deliver.
    lost_at: Option<Instant>,
    /// Whether it went so lately that the socket may have frames of before.
    lingers: bool,
    /// Whether the socket is on no interface any more.
    is_off: bool,
    beginning: Option<Beginning>,
    is_blocked_told: bool,
    counts: InterfaceCounts,
    read_bytes: u64,
    ahead: Ahead,
    /// The handle's own counters at the last look: kernel and interface drops.
    last: (u32, u32),
}

impl Interface {
    pub(super) fn open(name: &str, options: &LiveOptions) -> Result<Self, CaptureError> {
        let index = index_of(name)?;
        Ok(Self::new(name, options, index, open_handle(name, options)?, Role::Only))
    }

    /// An interface for several readers, or why there can be but one, in words.
    pub(super) fn open_shared(
        name: &str,
        options: &LiveOptions,
        pairing: &Pairing,
    ) -> Result<Result<Vec<Self>, String>, CaptureError> {
        /// The least that a share of the buffer has.
        const SHARE_BYTES_MIN: u32 = 1 << 20;
        let index = index_of(name)?;
        // The first error is that of the interface; what comes later is about sharing.
        let reserve = open_handle(name, options)?;
        let link = link_type(reserve.get_datalink().0);
        if !matches!(link, LinkType::ETHERNET | LinkType::LINUX_SLL | LinkType::LINUX_SLL2) {
            return Ok(Err("it is no Ethernet".to_owned()));
        }
        let share = options.buffer_bytes / u32::from(pairing.readers());
        let options = LiveOptions { buffer_bytes: share.max(SHARE_BYTES_MIN), ..options.clone() };
        let handles = (0..pairing.readers()).map(|_| open_handle(name, &options));
        let handles = match handles.collect::<Result<Vec<_>, _>>() {
            Ok(handles) => handles,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if let Err(error) = system::unhook(&reserve).and_then(|()| system::share(&handles, pairing))
        {
            return Ok(Err(error.to_string()));
        }
        // Until now each socket got all frames.
        let beginning = Some(Beginning::here());
        let mut reserve = Some(reserve);
        let reader = |handle| {
            let role = reserve.take().map_or(Role::Further, Role::First);
            Self { beginning, ..Self::new(name, &options, index, handle, role) }
        };
        Ok(Ok(handles.into_iter().map(reader).collect()))
    }

    fn new(
        name: &str,
        options: &LiveOptions,
        index: u32,
        handle: Capture<Active>,
        role: Role,
    ) -> Self {
        Self {
            link: link_type(handle.get_datalink().0),
            name: name.to_owned(),
            options: options.clone(),
            role,
            handle: Some(handle),
            index,
            lost_at: None,
            lingers: false,
            is_off: false,
            beginning: None,
            is_blocked_told: false,
            counts: InterfaceCounts { name: name.to_owned(), ..InterfaceCounts::default() },
            read_bytes: 0,
            ahead: Ahead::default(),
            last: (0, 0),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of the kernel's buffer that were read so far, approximately.
    pub(super) const fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// For how long it need not be looked at while frames come fast: its buffer has room for
    /// four times what a link of 10 Gbit/s sends meanwhile. None, when that is hardly any time.
    pub(super) fn nap(&self) -> Duration {
        const BYTES_PER_US: u32 = 1250;
        const MIN: Duration = Duration::from_millis(1);
        const MAX: Duration = Duration::from_millis(5);
        let nap = Duration::from_micros(u64::from(self.options.buffer_bytes / 4 / BYTES_PER_US));
        if nap < MIN { Duration::ZERO } else { nap.min(MAX) }
    }

    /// The handle, to wait on; `None` while the interface does not deliver.
    pub(super) fn waitable(&self) -> Option<&Capture<Active>> {
        self.handle.as_ref().filter(|_| self.lost_at.is_none())
    }

    /// Takes what is there.
    pub(super) fn read(&mut self, sink: &mut impl Sink, events: &mut Vec<LiveEvent>) -> Found {
        let begins = match self.beginning {
            Some(begin) if begin.noted.elapsed() < Beginning::PASSES_AFTER => begin.time,
            _ => {
                self.beginning = None;
                Timestamp::from_nanos(i64::MIN)
            }
        };
        // Asked before it is read for the last time.
        let is_over = self.lost_at.is_some_and(|lost_at| lost_at.elapsed() >= LINGER);
        let mut found = Found::Nothing;
        for _ in 0..TURNS_MAX {
            let is_lost = self.lost_at.is_some();
            let Some(handle) = self.handle.as_mut().filter(|_| !is_lost || self.lingers) else {
                return found;
            };
            if sink.is_full() {
                return Found::More;
            }
            let (link, mut count, mut early, mut bytes) = (self.link, 0, 0, 0);
            let ahead = &mut self.ahead;
            let step = handle.dispatch(Some(FRAMES_AT_ONCE), |packet| {
                let time = time_of(packet.header);
                count += 1;
                bytes += packet.data.len();
                ahead.fetch(packet.data);
                if time < begins {
                    early += 1;
                } else {
                    sink.push(link, time, packet.header.len, packet.data);
                }
            });
            self.counts.received += (count - early) as u64;
            self.read_bytes += (bytes + count * HEADER_BYTES) as u64;
            if count > 0 {
                found = Found::Last;
            }
            match step {
                Ok(_) if count == FRAMES_AT_ONCE => {}
                Ok(_) if !is_lost => return found,
                // Most often the interface went down or away. What it is shows in its state.
                Err(_) if !is_lost => self.lose(system::link_state(&self.name), events),
                _ if count > 0 => {}
                _ => {
                    self.lingers = !is_over;
                    return found;
                }
            }
        }
        Found::More
    }

    /// Looks whether the interface went or came back.
    pub(super) fn look_after(&mut self, events: &mut Vec<LiveEvent>) {
        let state = system::link_state(&self.name);
        match (state, self.lost_at) {
            (LinkState::Up(index), None) if index == self.index => {}
            (LinkState::Up(index), None) => {
                // It was replaced between two looks.
                self.lose(LinkState::Gone, events);
                self.recover(index, events);
            }
            (LinkState::Up(index), Some(_)) => self.recover(index, events),
            (state, None) => self.lose(state, events),
            (LinkState::Gone, Some(_)) => self.is_off = true,
            (LinkState::Down(_), Some(_)) => {}
        }
    }

    pub(super) fn counts(&mut self) -> InterfaceCounts {
        self.note_drops();
        self.counts.clone()
    }

    fn lose(&mut self, state: LinkState, events: &mut Vec<LiveEvent>) {
        self.note_drops();
        (self.lost_at, self.lingers) = (Some(Instant::now()), true);
        self.is_off = state == LinkState::Gone;
        self.is_blocked_told = false;
        if matches!(self.role, Role::Further) {
            return;
        }
        self.counts.outages += 1;
        let name = self.name.clone();
        events.push(match state {
            LinkState::Gone => LiveEvent::Gone { name },
            LinkState::Down(_) | LinkState::Up(_) => LiveEvent::Down { name },
        });
    }

    /// Listens again on an interface that is up.
    fn recover(&mut self, index: u32, events: &mut Vec<LiveEvent>) {
        let Some(lost_at) = self.lost_at else { return };
        let is_same = index == self.index && !self.is_off && system::SURVIVES_DOWN;
        if !is_same {
            // What the socket has still comes first.
            if self.lingers && self.handle.is_some() {
                return;
            }
            match std::mem::replace(&mut self.role, Role::Only) {
                Role::Further => {
                    (self.role, self.handle) = (Role::Further, None);
                    return;
                }
                Role::First(reserve) => {
                    self.take_up(reserve);
                    let reason = "it is another one than before".to_owned();
                    events.push(LiveEvent::OneReader { name: self.name.clone(), reason });
                }
                Role::Only => {}
            }
            if let Err(error) = self.bind_anew(index) {
                if !std::mem::replace(&mut self.is_blocked_told, true) {
                    let (name, reason) = (self.name.clone(), error.to_string());
                    events.push(LiveEvent::Blocked { name, reason });
                }
                return;
            }
        }
        (self.index, self.lost_at, self.is_off) = (index, None, false);
        self.lingers = false;
        if !matches!(self.role, Role::Further) {
            events.push(LiveEvent::Back { name: self.name.clone(), after: lost_at.elapsed() });
        }
    }

    /// Puts the handle on the interface of this number, or opens another.
    fn bind_anew(&mut self, index: u32) -> Result<(), CaptureError> {
        // The open socket needs no privilege to be bound to an interface anew; a new one does.
        let is_promiscuous = self.options.is_promiscuous;
        let rebind = |handle| system::rebind(handle, index, is_promiscuous).is_ok();
        if self.handle.as_ref().is_some_and(rebind) {
            return Ok(());
        }
        let handle = open_handle(&self.name, &self.options)?;
        self.take_up(handle);
        Ok(())
    }

    /// Goes on with another handle.
    fn take_up(&mut self, handle: Capture<Active>) {
        self.link = link_type(handle.get_datalink().0);
        self.handle = Some(handle);
        self.last = (0, 0);
        self.beginning = Some(Beginning::here());
    }

    /// Adds what was dropped since the last look.
    fn note_drops(&mut self) {
        let Some(Ok(stat)) = self.handle.as_mut().map(Capture::stats) else { return };
        let (kernel, interface) = self.last;
        self.counts.kernel_drops += grown(kernel, stat.dropped);
        // Each reader is told the drops of the whole interface.
        if !matches!(self.role, Role::Further) {
            self.counts.interface_drops += grown(interface, stat.if_dropped);
        }
        self.last = (stat.dropped, stat.if_dropped);
    }
}

/// The number of an interface that is up.
fn index_of(name: &str) -> Result<u32, CaptureError> {
    match system::link_state(name) {
        LinkState::Up(index) => Ok(index),
        LinkState::Down(_) => Err(CaptureError::InterfaceDown { name: name.to_owned() }),
        LinkState::Gone => {
            let known = super::interfaces().unwrap_or_default();
            let known = known.into_iter().map(|info| info.name).collect();
            Err(CaptureError::NoSuchInterface { name: name.to_owned(), known })
        }
    }
}

/// By how much a counter of 32 bits grew. One that went back began anew, unless it ran over.
fn grown(before: u32, after: u32) -> u64 {
    let growth = after.wrapping_sub(before);
    u64::from(if growth > u32::MAX / 2 { after } else { growth })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_run_over_or_begin_anew() {
        assert_eq!(grown(5, 9), 4);
        assert_eq!(grown(5, 5), 0);
        assert_eq!(grown(u32::MAX - 1, 3), 5);
        assert_eq!(grown(1_000, 7), 7);
    }
}
