//! One of the threads that read and dissect, and what they have in common.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::{Duration, Instant};

use capture::{Batch, Copies};
use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TryRecvError};
use dissect::{Frame, Pairing, Placement, Placer, Sweep, Timestamp, Wrap};

use super::hold::{Hold, Kind};
use super::live::{Harvest, Log};
use super::numbers::Numbers;
use super::readers::Reader;
use super::{Settings, Worker};

/// How long a reader waits for frames before it looks for orders.
const WAIT: Duration = Duration::from_millis(20);
/// How long it waits for what others hand to it, when they do.
const MIXED_WAIT: Duration = Duration::from_millis(5);
/// For how long it expects more of that.
const MIXED_FOR: Duration = Duration::from_secs(1);

/// What readers hand to each other.
pub(super) type Parcel = (Batch, Kind);

/// To report what is known, as of a time.
pub(super) struct Order {
    pub(super) now: Timestamp,
    pub(super) kind: Sweep,
    pub(super) answer: Sender<Harvest>,
}

/// What readers have in common.
pub(super) struct Common {
    pairing: Pairing,
    /// By reader: no frame that it still hands over is older, in nanoseconds.
    horizons: Vec<AtomicI64>,
    /// Numbers that frames have: each one of its own, in the order of its connection.
    numbers: AtomicU64,
    /// Time of the newest frame, in nanoseconds.
    newest: AtomicI64,
}

impl Common {
    pub(super) fn new(pairing: &Pairing, readers: usize) -> Self {
        Self {
            pairing: *pairing,
            horizons: (0..readers).map(|_| AtomicI64::new(i64::MIN)).collect(),
            numbers: AtomicU64::new(0),
            newest: AtomicI64::new(i64::MIN),
        }
    }

    fn horizon(&self) -> Timestamp {
        let horizons = self.horizons.iter().map(|it| it.load(Acquire));
        Timestamp::from_nanos(horizons.min().unwrap_or(i64::MAX))
    }
}

/// A reader, and what it needs to dissect its share.
pub(super) struct Share<'a, R> {
    reader: R,
    orders: Receiver<Order>,
    desk: Desk<'a>,
}

/// What becomes of a reader's frames.
struct Desk<'a> {
    index: usize,
    placer: Placer,
    worker: Worker<'a>,
    log: Log,
    common: &'a Common,
    numbers: Numbers,
    /// To the others.
    outboxes: Vec<Option<Sender<Parcel>>>,
    inbox: Receiver<Parcel>,
    /// By reader: frames to be handed over; at this reader's own place those that were in a tunnel.
    copies: Vec<Copies>,
    hold: Hold,
    /// Until when others are expected to hand over more.
    mixed_until: Option<Instant>,
    handed_over: u64,
    /// Time of the last frame of this visit, if there was one.
    newest: Option<Timestamp>,
}

impl<'a, R: Reader> Share<'a, R> {
    /// The reader of this number; `mail` are the ways to the others and from them.
    pub(super) fn new(
        (index, reader): (usize, R),
        common: &'a Common,
        orders: Receiver<Order>,
        (outboxes, inbox): (Vec<Option<Sender<Parcel>>>, Receiver<Parcel>),
        settings: &Settings,
    ) -> Self {
        let blocks = Copies::new();
        let desk = Desk {
            index,
            placer: Placer::new(settings.seed),
            worker: Worker::live(settings),
            log: Log::default(),
            common,
            numbers: Numbers::default(),
            copies: outboxes.iter().map(|_| blocks.sibling()).collect(),
            outboxes,
            inbox,
            hold: Hold::default(),
            mixed_until: None,
            handed_over: 0,
            newest: None,
        };
        Self { reader, orders, desk }
    }

    pub(super) fn run(mut self) -> Harvest {
        loop {
            match self.orders.try_recv() {
                Ok(order) => {
                    self.reader.settle();
                    let harvest = self.desk.sweep(order.now, order.kind);
                    // Who asked waits for the answer, or is gone with a panic of its own.
                    let _ = order.answer.send(harvest);
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return self.finish(),
            }
            let wait = self.desk.patience();
            let is_idle = !self.visit(wait);
            self.desk.tell_horizon(self.reader.horizon());
            self.desk.go_on();
            if is_idle && wait.is_zero() {
                self.desk.await_parcel();
            }
        }
    }

    /// Takes frames where they lie. Whether there were any.
    fn visit(&mut self, timeout: Duration) -> bool {
        let has_taken = self.reader.visit(timeout, &mut |frame| self.desk.take(frame));
        self.desk.end_visit();
        has_taken
    }

    /// Takes what is on its way, here and from the others, which do the same.
    fn finish(mut self) -> Harvest {
        self.visit(Duration::ZERO);
        let rest = self.reader.drain();
        rest.iter().flat_map(Batch::frames).for_each(|frame| self.desk.take(&frame));
        self.desk.end_visit();
        self.reader.settle();
        self.desk.finish()
    }
}

impl Desk<'_> {
    /// How long frames may be waited for.
    fn patience(&self) -> Duration {
        let is_mixed = self.mixed_until.is_some_and(|until| Instant::now() < until);
        if is_mixed || !self.hold.is_empty() { Duration::ZERO } else { WAIT }
    }

    fn tell_horizon(&self, time: Timestamp) {
        if let Some(horizon) = self.common.horizons.get(self.index) {
            horizon.store(time.as_nanos(), Release);
        }
    }

    /// Takes what others handed over, and dissects what is due.
    fn go_on(&mut self) {
        // Whoever told its horizon has handed over what is older.
        let until = self.common.horizon();
        self.accept();
        self.release(until);
    }

    /// Waits a moment for what others hand over.
    fn await_parcel(&mut self) {
        if let Ok((batch, kind)) = self.inbox.recv_timeout(MIXED_WAIT) {
            self.keep(batch, kind);
        }
    }

    /// Dissects a frame, or copies it for whoever has to, if only later.
    fn take(&mut self, frame: &Frame<'_>) {
        if self.newest.is_none() {
            let newest = Timestamp::from_nanos(self.common.newest.load(Relaxed));
            self.log.begin_share(frame.time, newest);
        }
        self.newest = Some(frame.time);
        self.log.note_frame(frame);
        let (to, wrap) = match self.placer.place(frame) {
            Placement::Frame(pair, wrap) => (self.common.pairing.reader(pair), wrap),
            Placement::Any => (self.index, Wrap::Plain),
            Placement::Kept => return,
            Placement::Packets(link, packets) => {
                for (pair, wrap, bytes) in packets {
                    let packet = Batch::owned(link, frame.time, 0, frame.wire_len, bytes);
                    self.deliver(self.common.pairing.reader(pair), wrap, packet);
                }
                return;
            }
        };
        if to == self.index && wrap == Wrap::Plain {
            let number = self.numbers.next(&self.common.numbers);
            self.worker.take_frame(&Frame { number, ..*frame });
        } else if let Some(copies) = self.copies.get_mut(to) {
            copies.push(frame);
            if copies.is_full() {
                self.send(to);
            }
        }
    }

    /// Sends what was copied where it belongs.
    fn end_visit(&mut self) {
        (0..self.copies.len()).for_each(|to| self.send(to));
        if let Some(newest) = self.newest.take() {
            self.common.newest.fetch_max(newest.as_nanos(), Relaxed);
            self.numbers.give_back(&self.common.numbers);
        }
    }

    fn send(&mut self, to: usize) {
        let Some(batch) = self.copies.get_mut(to).and_then(Copies::take) else { return };
        if to == self.index {
            self.hold.push(batch, Kind::Frames);
        } else {
            self.handed_over += batch.len() as u64;
            self.hand_over(to, (batch, Kind::Frames));
        }
    }

    /// Delivers a packet that a frame held, after the frames before it.
    fn deliver(&mut self, to: usize, wrap: Wrap, packet: Batch) {
        self.send(to);
        if to != self.index {
            self.hand_over(to, (packet, Kind::Datagram));
        } else if wrap == Wrap::Tunnel {
            self.hold.push(packet, Kind::Datagram);
        } else {
            self.dissect(packet, Kind::Datagram);
        }
    }

    /// Hands frames to another reader. While that one is busy, takes what comes from others, so that
    /// no two wait for each other.
    fn hand_over(&mut self, to: usize, mut parcel: Parcel) {
        const MOMENT: Duration = Duration::from_millis(1);
        let Some(outbox) = self.outboxes.get(to).cloned().flatten() else { return };
        loop {
            match outbox.send_timeout(parcel, MOMENT) {
                // A reader that panicked ends the run, where it is joined.
                Ok(()) | Err(SendTimeoutError::Disconnected(_)) => return,
                Err(SendTimeoutError::Timeout(back)) => parcel = back,
            }
            self.accept();
            // Only what is too much goes on: the order of the rest is not known yet.
            self.release(Timestamp::from_nanos(i64::MIN));
        }
    }

    fn accept(&mut self) {
        while let Ok((batch, kind)) = self.inbox.try_recv() {
            self.keep(batch, kind);
        }
    }

    fn keep(&mut self, batch: Batch, kind: Kind) {
        self.mixed_until = Some(Instant::now() + MIXED_FOR);
        self.hold.push(batch, kind);
    }

    fn release(&mut self, until: Timestamp) {
        let mut hold = std::mem::take(&mut self.hold);
        hold.release(until, |batch, kind| self.dissect(batch, kind));
        self.hold = hold;
    }

    /// Dissects frames of this reader's connections.
    fn dissect(&mut self, batch: Batch, kind: Kind) {
        let (region, mut descs) = batch.into_parts();
        for desc in &mut descs {
            desc.number = match kind {
                Kind::Frames => self.numbers.next(&self.common.numbers),
                Kind::Datagram => self.numbers.current(&self.common.numbers),
            };
        }
        let batch = Batch::new(region, descs);
        match kind {
            Kind::Frames => self.worker.take(&batch),
            Kind::Datagram => self.worker.take_datagram(&batch),
        }
    }

    fn sweep(&mut self, now: Timestamp, kind: Sweep) -> Harvest {
        let learned = self.worker.sweep(now, kind);
        let harvest = self.log.harvest([learned], self.placer.take_counters());
        Harvest { handed_over: std::mem::take(&mut self.handed_over), ..harvest }
    }

    /// Takes what is on its way from the others, and ends.
    fn finish(mut self) -> Harvest {
        self.tell_horizon(Timestamp::from_nanos(i64::MAX));
        self.outboxes.clear();
        while let Ok((batch, kind)) = self.inbox.recv() {
            self.keep(batch, kind);
            // What is older may be in the queue still, whatever the others have told by now.
            self.release(Timestamp::from_nanos(i64::MIN));
        }
        self.release(Timestamp::from_nanos(i64::MAX));
        let Self { worker, mut log, mut placer, handed_over, .. } = self;
        let harvest = log.harvest([worker.finish()], placer.take_counters());
        Harvest { handed_over, ..harvest }
    }
}
