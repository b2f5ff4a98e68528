//! The capture doctor: what is wrong with the capture, how far, and what mends it.
//!
//! Reads what the connections noted of their frames, the counters, and the run. It changes no
//! verdict: whatever the bytes that are there decide stays decided. A fault is named when it shows
//! on a connection in a hundred, since a few odd ones are in every capture.

mod cures;
mod hosts;
mod signs;

use dissect::LinkType;

use crate::RunInfo;
pub(crate) use signs::Signs;
use signs::Tally;

/// A fault is named when this many connections in a hundred have it, and one at least.
const PERCENT_MIN: u64 = 1;

/// Something about the capture that its owner should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its name, which stays the same from version to version.
    pub finding: &'static str,
    /// How often it was seen: frames where they were counted, else steps, holes or connections.
    pub count: u64,
    /// Connections that it concerns.
    pub flows: u64,
    /// What was seen, in words and figures.
    pub message: String,
    /// The command or the setting that mends it.
    pub fix: String,
}

/// Everything that is wrong with a capture by the signs of its connections, the worst first.
pub(crate) fn findings(signs: &Signs, run: &RunInfo) -> Vec<Finding> {
    let doctor = Doctor { signs, run };
    let mut findings: Vec<Finding> = [
        doctor.drops(),
        doctor.outages(),
        doctor.one_direction(),
        doctor.loss(),
        doctor.snap_length(),
        doctor.late_start(),
        doctor.evicted(),
        doctor.direction_skew(),
        doctor.clock_steps(),
        doctor.mirror_duplicates(),
        doctor.vlan_one_direction(),
        doctor.segmentation_offload(),
        doctor.checksum_offload(),
        doctor.overlap_conflicts(),
    ]
    .into_iter()
    .flatten()
    .collect();
    findings.extend(doctor.unknown_link_types());
    findings
}

struct Doctor<'a> {
    signs: &'a Signs,
    run: &'a RunInfo,
}

impl Doctor<'_> {
    /// What a fault hit, unless that is too little.
    fn worth_a_word<'t>(&self, tally: &'t Tally) -> Option<&'t Tally> {
        self.is_worth_a_word(tally.flows).then_some(tally)
    }

    fn is_worth_a_word(&self, flows: u64) -> bool {
        flows > 0 && flows * 100 >= PERCENT_MIN * self.signs.flows
    }

    /// Of the connections that a fault concerns, so many of all.
    fn share(&self, flows: u64) -> String {
        format!("{flows} of {} connections", self.signs.flows)
    }

    fn one_direction(&self) -> Option<Finding> {
        let unseen = self.worth_a_word(&self.signs.unseen)?;
        Some(Finding {
            finding: "one-direction",
            count: self.signs.frames_of_lone_sides,
            flows: unseen.flows,
            message: format!(
                "only one direction of {} was captured: the server's side is missing in {}, the \
                 client's in {}; nothing was seen from {}",
                self.share(unseen.flows),
                unseen.servers,
                unseen.clients,
                unseen.hosts,
            ),
            fix: cures::ONE_DIRECTION.to_owned(),
        })
    }

    fn loss(&self) -> Option<Finding> {
        let lost = self.worth_a_word(&self.signs.lost)?;
        Some(Finding {
            finding: "loss",
            count: self.run.counters.gaps.max(lost.flows),
            flows: lost.flows,
            message: format!(
                "packets are missing from {}, {} of them undecided for it; most of what was \
                 sent by {}",
                self.share(lost.flows),
                self.signs.lacking_gap,
                lost.hosts,
            ),
            fix: cures::LOSS.to_owned(),
        })
    }

    fn snap_length(&self) -> Option<Finding> {
        let frames = self.run.counters.cut_frames;
        let flows = self.signs.cut;
        (frames > 0).then(|| Finding {
            finding: "snap-length",
            count: frames,
            flows,
            message: format!(
                "{frames} frames were cut by the snap length, in handshakes of {}, {} of them \
                 undecided for it",
                self.share(flows),
                self.signs.lacking_truncated,
            ),
            fix: cures::SNAP_LENGTH.to_owned(),
        })
    }

    fn late_start(&self) -> Option<Finding> {
        let flows = self.signs.lacking_start;
        self.is_worth_a_word(flows).then(|| Finding {
            finding: "late-start",
            count: flows,
            flows,
            message: format!(
                "the handshakes of {} were over before the capture began",
                self.share(flows)
            ),
            fix: cures::LATE_START.to_owned(),
        })
    }

    fn evicted(&self) -> Option<Finding> {
        let flows = self.run.counters.evicted_flows;
        (flows > 0).then(|| Finding {
            finding: "evicted",
            count: flows,
            flows,
            message: format!("{flows} connections were given up for want of memory"),
            fix: cures::EVICTED.to_owned(),
        })
    }

    fn drops(&self) -> Option<Finding> {
        let capture = self.run.capture.as_ref()?;
        let drops = capture.drops();
        (drops > 0).then(|| Finding {
            finding: "drops",
            count: drops,
            flows: 0,
            message: format!(
                "{drops} frames were dropped before they reached the program: {} by the kernel, \
                 {} by the interface",
                capture.kernel_drops, capture.interface_drops,
            ),
            fix: cures::DROPS.to_owned(),
        })
    }

    fn outages(&self) -> Option<Finding> {
        let interfaces = &self.run.capture.as_ref()?.interfaces;
        let out = interfaces.iter().filter(|counts| counts.outages > 0);
        let words: Vec<String> =
            out.clone().map(|counts| format!("{} {} times", counts.name, counts.outages)).collect();
        let outages: u64 = out.map(|counts| counts.outages).sum();
        (outages > 0).then(|| Finding {
            finding: "outages",
            count: outages,
            flows: 0,
            message: format!(
                "interfaces went down while the capture ran: {}; what passed meanwhile was not seen",
                words.join(", "),
            ),
            fix: cures::OUTAGES.to_owned(),
        })
    }

    fn direction_skew(&self) -> Option<Finding> {
        let late = self.worth_a_word(&self.signs.late)?;
        let ms_max = self.signs.late_ms_max;
        let side = if late.clients > late.servers { "the client's" } else { "the server's" };
        Some(Finding {
            finding: "direction-skew",
            count: late.flows,
            flows: late.flows,
            message: format!(
                "in {} an answer was captured before what it answers, by up to {ms_max} ms; late \
                 is mostly {side} side, what is sent by {}",
                self.share(late.flows),
                late.hosts,
            ),
            fix: cures::DIRECTION_SKEW.to_owned(),
        })
    }

    /// Time that goes back is a fault of the clock. Time that leaps ahead may be a pause, unless
    /// some connection goes on across it.
    fn clock_steps(&self) -> Option<Finding> {
        let clock = &self.run.clock;
        let is_fault = |(index, step): &(usize, &crate::ClockStep)| {
            step.to < step.from || self.signs.is_crossed(*index)
        };
        let faults: Vec<_> =
            clock.steps.iter().enumerate().filter(is_fault).map(|(_, step)| step).collect();
        let first = faults.first()?;
        let ahead = faults.iter().filter(|step| step.to > step.from).count() as u64;
        let seconds_max =
            faults.iter().map(|step| step.to.nanos_since(step.from).unsigned_abs()).max();
        Some(Finding {
            finding: "clock-steps",
            count: clock.steps_back + ahead,
            flows: self.signs.crossing,
            message: format!(
                "the capture's clock went back {} times and leapt ahead {ahead} times, by up to \
                 {} s; first at frame {}, from {} to {}",
                clock.steps_back,
                seconds_max.unwrap_or(0) / 1_000_000_000,
                first.frame,
                first.from,
                first.to,
            ),
            fix: cures::CLOCK_STEPS.to_owned(),
        })
    }

    fn mirror_duplicates(&self) -> Option<Finding> {
        let copied = self.worth_a_word(&self.signs.copied)?;
        let copies = self.signs.copies;
        Some(Finding {
            finding: "mirror-duplicates",
            count: copies,
            flows: copied.flows,
            message: format!(
                "{copies} frames in the handshakes of {} were captured more than once, most of \
                 them sent by {}; copies were not counted twice",
                self.share(copied.flows),
                copied.hosts,
            ),
            fix: cures::MIRROR_DUPLICATES.to_owned(),
        })
    }

    fn vlan_one_direction(&self) -> Option<Finding> {
        let tagged = self.worth_a_word(&self.signs.tagged)?;
        Some(Finding {
            finding: "vlan-one-direction",
            count: tagged.flows,
            flows: tagged.flows,
            message: format!(
                "in {} the directions have different VLAN tags, or one has none: what the client \
                 sends has a tag of its own in {}, what the server sends in {}",
                self.share(tagged.flows),
                tagged.clients,
                tagged.servers,
            ),
            fix: cures::VLAN_ONE_DIRECTION.to_owned(),
        })
    }

    fn segmentation_offload(&self) -> Option<Finding> {
        let oversized = self.worth_a_word(&self.signs.oversized)?;
        Some(Finding {
            finding: "segmentation-offload",
            count: oversized.flows,
            flows: oversized.flows,
            message: format!(
                "{} have segments longer than any on a wire, which a network card joined or is \
                 yet to cut; most are sent by {}",
                self.share(oversized.flows),
                oversized.hosts,
            ),
            fix: cures::SEGMENTATION_OFFLOAD.to_owned(),
        })
    }

    fn checksum_offload(&self) -> Option<Finding> {
        let unsummed = self.worth_a_word(&self.signs.unsummed)?;
        Some(Finding {
            finding: "checksum-offload",
            count: unsummed.flows,
            flows: unsummed.flows,
            message: format!(
                "in {} the TCP checksums of one side are wrong and the other's right: the sender \
                 is the capturing host and its network card fills them in; mostly {}",
                self.share(unsummed.flows),
                unsummed.hosts,
            ),
            fix: cures::CHECKSUM_OFFLOAD.to_owned(),
        })
    }

    fn overlap_conflicts(&self) -> Option<Finding> {
        let count = self.run.counters.overlap_conflicts;
        (count > 0).then(|| Finding {
            finding: "overlap-conflicts",
            count,
            flows: 0,
            message: format!(
                "{count} segments overlap earlier ones with other content; the first copy counted"
            ),
            fix: cures::OVERLAP_CONFLICTS.to_owned(),
        })
    }

    fn unknown_link_types(&self) -> impl Iterator<Item = Finding> {
        self.run.counters.unknown_link_types.iter().map(|(link, count)| Finding {
            finding: "unknown-link-type",
            count: *count,
            flows: 0,
            message: format!("{count} frames are of {}, which is not decoded", LinkType(*link)),
            fix: cures::UNKNOWN_LINK_TYPE.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
