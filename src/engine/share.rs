//! One of the threads that read and dissect, and what they have in common.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::{Duration, Instant};

use capture::{Batch, FrameDesc};
use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TryRecvError};
use dissect::{Pairing, Placement, Placer, Sweep, Timestamp, Wrap};

use super::hold::{Hold, Kind};
use super::live::{Harvest, Log};
use super::readers::Reader;
use super::{LiveHosts, Settings, Worker};

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
    /// Frames that were dissected: each has a number of its own, in the order of its connection.
    frames: AtomicU64,
    /// Time of the newest frame, in nanoseconds.
    newest: AtomicI64,
}

impl Common {
    pub(super) fn new(pairing: &Pairing, readers: usize) -> Self {
        Self {
            pairing: *pairing,
            horizons: (0..readers).map(|_| AtomicI64::new(i64::MIN)).collect(),
            frames: AtomicU64::new(0),
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
    index: usize,
    reader: R,
    placer: Placer,
    worker: Worker<'a>,
    log: Log,
    common: &'a Common,
    orders: Receiver<Order>,
    /// To the others.
    outboxes: Vec<Option<Sender<Parcel>>>,
    inbox: Receiver<Parcel>,
    /// Frames of the current batch, by reader.
    shares: Vec<Vec<FrameDesc>>,
    /// Those of this reader that were in a tunnel.
    tunnelled: Vec<FrameDesc>,
    hold: Hold,
    /// Until when others are expected to hand over more.
    mixed_until: Option<Instant>,
    handed_over: u64,
}

impl<'a, R: Reader> Share<'a, R> {
    /// The reader of this number; `mail` are the ways to the others and from them.
    pub(super) fn new(
        (index, reader): (usize, R),
        common: &'a Common,
        orders: Receiver<Order>,
        (outboxes, inbox): (Vec<Option<Sender<Parcel>>>, Receiver<Parcel>),
        settings: &Settings,
        hosts: &'a LiveHosts,
    ) -> Self {
        Self {
            index,
            reader,
            placer: Placer::new(settings.seed),
            worker: Worker::live(settings, hosts),
            log: Log::default(),
            common,
            orders,
            shares: vec![Vec::new(); outboxes.len()],
            outboxes,
            inbox,
            tunnelled: Vec::new(),
            hold: Hold::default(),
            mixed_until: None,
            handed_over: 0,
        }
    }

    pub(super) fn run(mut self) -> Harvest {
        loop {
            match self.orders.try_recv() {
                Ok(order) => {
                    let harvest = self.sweep(order.now, order.kind);
                    // Who asked waits for the answer, or is gone with a panic of its own.
                    let _ = order.answer.send(harvest);
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return self.finish(),
            }
            let is_mixed = self.mixed_until.is_some_and(|until| Instant::now() < until);
            let wait = if is_mixed || !self.hold.is_empty() { Duration::ZERO } else { WAIT };
            let batch = self.reader.wait(wait);
            let is_idle = batch.is_none();
            if let Some(batch) = batch {
                self.take(&batch);
            }
            self.tell_horizon(self.reader.horizon());
            // Whoever told its horizon has handed over what is older.
            let until = self.common.horizon();
            self.accept();
            self.release(until);
            if is_idle
                && wait.is_zero()
                && let Ok((batch, kind)) = self.inbox.recv_timeout(MIXED_WAIT)
            {
                self.keep(batch, kind);
            }
        }
    }

    fn tell_horizon(&self, time: Timestamp) {
        if let Some(horizon) = self.common.horizons.get(self.index) {
            horizon.store(time.as_nanos(), Release);
        }
    }

    /// Takes the frames of a batch, or hands them over.
    fn take(&mut self, batch: &Batch) {
        if let Some(last) = batch.descs().last() {
            let newest = self.common.newest.fetch_max(last.time.as_nanos(), Relaxed);
            self.log.note_share(batch, Timestamp::from_nanos(newest));
        }
        for (frame, desc) in batch.frames().zip(batch.descs()) {
            let (to, wrap) = match self.placer.place(&frame) {
                Placement::Frame(pair, wrap) => (self.common.pairing.reader(pair), wrap),
                Placement::Any => (self.index, Wrap::Plain),
                Placement::Kept => continue,
                Placement::Packets(link, packets) => {
                    self.flush(batch);
                    for (pair, wrap, bytes) in packets {
                        let packet = Batch::owned(link, frame.time, 0, frame.wire_len, bytes);
                        let to = self.common.pairing.reader(pair);
                        self.deliver(to, wrap, packet, Kind::Datagram);
                    }
                    continue;
                }
            };
            if to == self.index && wrap == Wrap::Tunnel {
                self.tunnelled.push(*desc);
            } else if let Some(share) = self.shares.get_mut(to) {
                share.push(*desc);
            }
        }
        self.flush(batch);
    }

    /// Sends the frames of a batch that were looked at where they belong.
    fn flush(&mut self, batch: &Batch) {
        let part = |descs: &mut Vec<FrameDesc>| {
            let next = Vec::with_capacity(descs.len());
            Batch::new(batch.region().clone(), std::mem::replace(descs, next))
        };
        if !self.tunnelled.is_empty() {
            let part = part(&mut self.tunnelled);
            self.deliver(self.index, Wrap::Tunnel, part, Kind::Frames);
        }
        for to in 0..self.shares.len() {
            if let Some(share) = self.shares.get_mut(to).filter(|share| !share.is_empty()) {
                let part = part(share);
                self.deliver(to, Wrap::Plain, part, Kind::Frames);
            }
        }
    }

    fn deliver(&mut self, to: usize, wrap: Wrap, batch: Batch, kind: Kind) {
        if to != self.index {
            self.hand_over(to, batch, kind);
        } else if wrap == Wrap::Tunnel {
            self.hold.push(batch, kind);
        } else {
            self.dissect(batch, kind);
        }
    }

    /// Hands frames to another reader. While that one is busy, takes what comes from others, so that
    /// no two wait for each other.
    fn hand_over(&mut self, to: usize, batch: Batch, kind: Kind) {
        const MOMENT: Duration = Duration::from_millis(1);
        let Some(outbox) = self.outboxes.get(to).cloned().flatten() else { return };
        if kind == Kind::Frames {
            self.handed_over += batch.len() as u64;
        }
        let mut parcel = (batch, kind);
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
        let count = if kind == Kind::Frames { descs.len() as u64 } else { 0 };
        let before = self.common.frames.fetch_add(count, Relaxed);
        for (number, desc) in (before + count.min(1)..).zip(&mut descs) {
            desc.number = number;
        }
        let batch = Batch::new(region, descs);
        match kind {
            Kind::Frames => self.worker.take(&batch),
            Kind::Datagram => self.worker.take_datagram(&batch),
        }
    }

    fn sweep(&mut self, now: Timestamp, kind: Sweep) -> Harvest {
        self.reader.settle();
        let learned = self.worker.sweep(now, kind);
        let harvest = self.log.harvest([learned], self.placer.take_counters());
        Harvest { handed_over: std::mem::take(&mut self.handed_over), ..harvest }
    }

    /// Takes what is on its way, here and from the others, which do the same.
    fn finish(mut self) -> Harvest {
        let rest = [self.reader.wait(Duration::ZERO), self.reader.drain()];
        for batch in rest.into_iter().flatten() {
            self.take(&batch);
        }
        self.reader.settle();
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
