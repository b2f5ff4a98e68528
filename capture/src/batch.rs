//! Frames on their way: a shared region and the spans of the frames in it.
//!
//! A batch holds spans and not slices, so it is `Send + 'static` and may be split over workers by
//! building further batches over the same region. It says nothing about where the bytes came from.

use std::sync::Arc;

use dissect::{Frame, LinkType, Timestamp};

use crate::Region;

/// Where a frame lies in its region, and what is known of it without looking inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameDesc {
    /// Position in the whole input, from 1.
    pub number: u64,
    /// When the frame was captured.
    pub time: Timestamp,
    /// The first byte, counted from the start of the region.
    pub offset: u32,
    /// Captured bytes.
    pub cap_len: u32,
    /// Bytes on the wire.
    pub wire_len: u32,
    /// What the first byte belongs to.
    pub link: LinkType,
}

const _: () = assert!(size_of::<FrameDesc>() == 32, "two descriptors fit a cache line");

/// Frames of one region, in the order of the input.
#[derive(Debug, Clone)]
pub struct Batch {
    region: Arc<Region>,
    descs: Vec<FrameDesc>,
}

impl Batch {
    /// The frames of `region` that `descs` describe.
    ///
    /// A descriptor that reaches beyond the region gives an empty frame.
    #[must_use]
    pub fn new(region: Arc<Region>, descs: Vec<FrameDesc>) -> Self {
        Self { region, descs }
    }

    /// A batch of one frame, made of bytes that lie in no region: a reassembled packet.
    ///
    /// # Panics
    ///
    /// When `data` is 4 GiB long or longer.
    #[must_use]
    pub fn owned(
        link: LinkType,
        time: Timestamp,
        number: u64,
        wire_len: u32,
        data: Vec<u8>,
    ) -> Self {
        let cap_len = u32::try_from(data.len()).expect("a packet is shorter than 4 GiB");
        let desc = FrameDesc { number, time, offset: 0, cap_len, wire_len, link };
        Self { region: Arc::new(Region::owned(data)), descs: vec![desc] }
    }

    /// The frames, in order.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = Frame<'_>> + Clone {
        let bytes = self.region.bytes();
        self.descs.iter().map(move |desc| frame_at(bytes, desc))
    }

    /// The frame at `index`, counted from 0.
    #[must_use]
    pub fn frame(&self, index: usize) -> Option<Frame<'_>> {
        self.descs.get(index).map(|desc| frame_at(self.region.bytes(), desc))
    }

    /// How many frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.descs.len()
    }

    /// Whether there is no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.descs.is_empty()
    }

    /// The spans of the frames.
    #[must_use]
    pub fn descs(&self) -> &[FrameDesc] {
        &self.descs
    }

    /// The bytes the spans lie in.
    #[must_use]
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// The two parts a batch is made of.
    #[must_use]
    pub fn into_parts(self) -> (Arc<Region>, Vec<FrameDesc>) {
        (self.region, self.descs)
    }
}

#[inline]
fn frame_at<'a>(bytes: &'a [u8], desc: &FrameDesc) -> Frame<'a> {
    let start = desc.offset as usize;
    let data = start.checked_add(desc.cap_len as usize).and_then(|end| bytes.get(start..end));
    debug_assert!(data.is_some(), "a descriptor lies within its region");
    Frame {
        number: desc.number,
        time: desc.time,
        link: desc.link,
        wire_len: desc.wire_len,
        data: data.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_can_be_sent_and_kept() {
        fn check<T: Send + 'static>() {}
        fn check_shared<T: Send + Sync + 'static>() {}
        check::<Batch>();
        check_shared::<Region>();
    }

    #[test]
    fn an_owned_batch_is_one_frame() {
        let time = Timestamp::from_nanos(7);
        let batch = Batch::owned(LinkType::RAW, time, 3, 9, vec![1, 2, 3]);
        let frame = batch.frame(0).unwrap();
        assert_eq!((frame.number, frame.wire_len, frame.data), (3, 9, &[1, 2, 3][..]));
        assert_eq!((frame.time, frame.link), (time, LinkType::RAW));
        assert_eq!(batch.len(), 1);
        assert!(batch.frame(1).is_none());
    }

    #[test]
    fn a_subset_of_the_spans_is_a_batch_over_the_same_region() {
        let time = Timestamp::default();
        let whole = Batch::owned(LinkType::ETHERNET, time, 1, 6, vec![1, 2, 3, 4, 5, 6]);
        let desc = FrameDesc { offset: 2, cap_len: 3, ..whole.descs()[0] };
        let part = Batch::new(Arc::clone(whole.region()), vec![desc]);
        drop(whole);
        assert_eq!(part.frames().next().unwrap().data, [3, 4, 5]);
    }
}
