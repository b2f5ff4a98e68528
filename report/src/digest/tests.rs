use proptest::prelude::*;

use super::*;
use crate::testkit::any_judged_flow;

fn digest(parts: &[&[JudgedFlow]]) -> Digest {
    let run = RunInfo { policies: vec!["office365-tls12".to_owned()], ..RunInfo::default() };
    let mut digest = Digest::new(&run);
    parts.iter().for_each(|part| digest.absorb(part, |addr| addr.is_ipv4()));
    digest
}

proptest! {
    #[test]
    fn parts_change_nothing(
        flows in prop::collection::vec(any_judged_flow(), 0..30),
        at in any::<prop::sample::Index>(),
    ) {
        let (one, other) = flows.split_at(at.index(flows.len() + 1));
        let (mut whole, mut parts) = (digest(&[&flows]), digest(&[one, other]));
        prop_assert_eq!(&whole.paths, &parts.paths);
        prop_assert_eq!(
            format!("{:?}", whole.take_hosts()),
            format!("{:?}", parts.take_hosts())
        );
        // Sets of hosts are shown in any order.
        (whole.paths, parts.paths) = (Vec::new(), Vec::new());
        prop_assert_eq!(format!("{whole:?}"), format!("{parts:?}"));
    }

    #[test]
    fn counts_add_up(flows in prop::collection::vec(any_judged_flow(), 0..30)) {
        let digest = digest(&[&flows]);
        let of = |counts: &ByVersion| counts.iter().sum::<u64>();
        let services = digest.services.values();
        prop_assert_eq!(
            services.clone().map(|it| of(&it.watched) + of(&it.others)).sum::<u64>(),
            digest.flows
        );
        let watched: u64 = services.map(|it| of(&it.watched)).sum();
        prop_assert_eq!(watched, digest.coverage.total());
        let office365 = flows.iter().filter(|flow| flow.direction != Direction::Other);
        prop_assert_eq!(watched, office365.count() as u64);
        prop_assert_eq!(digest.coverage_all.total(), digest.flows);
        let columns = |timeline: &Timeline| {
            timeline.columns().map(|(_, counts)| of(counts)).sum::<u64>()
        };
        prop_assert_eq!(columns(&digest.timeline_watched), watched);
        prop_assert_eq!(columns(&digest.timeline_others), digest.flows - watched);
    }

    #[test]
    fn columns_of_any_width_are_parts_of_those_shown(
        seconds in prop::collection::vec(-40_000_000_000_i64..40_000_000_000, 1..50),
        scale in prop::sample::select(&[1_i64, 1_000, 100_000, 10_000_000][..]),
    ) {
        let mut timeline = Timeline::default();
        for second in &seconds {
            // Within what a time stamp can be.
            let second = second / scale % 9_000_000_000;
            timeline.count(Timestamp::from_nanos(second * 1_000_000_000), 0);
        }
        prop_assert!(timeline.columns().map(|(second, _)| second).is_sorted());
        let all: u64 = timeline.columns().map(|(_, counts)| counts[0]).sum();
        prop_assert_eq!(all, seconds.len() as u64);
        let (first, last) = timeline.span().unwrap();
        prop_assert!(timeline.columns().all(|(second, _)| second <= last && second > first - 86_400));
    }
}
