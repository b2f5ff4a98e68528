//! A filter expression, applied to the frames of any link type.
//!
//! An expression means another program on every link type, so each is compiled when its first frame
//! comes. libpcap compiles; the program is run here, because frames of files may be cut and the
//! library's own call takes the captured length for the length on the wire.

mod program;

use dissect::LinkType;

use crate::{CaptureError, FrameDesc, Region};
use program::Program;

/// A filter expression and its programs.
#[derive(Debug)]
pub(crate) struct Filter {
    expression: String,
    programs: Vec<(LinkType, Option<Program>)>,
    /// Of link types that the expression makes no sense on: what libpcap said.
    complaints: Vec<(LinkType, String)>,
}

impl Filter {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// When it makes sense on no link type that is tried. The message is the one for Ethernet.
    pub(crate) fn new(expression: &str) -> Result<Self, CaptureError> {
        let ethernet = Program::compile(expression, LinkType::ETHERNET);
        if let Err(message) = ethernet
            && !OTHER_LINKS.iter().any(|link| Program::compile(expression, *link).is_ok())
        {
            return Err(CaptureError::BadFilter { expression: expression.to_owned(), message });
        }
        let expression = expression.to_owned();
        Ok(Self { expression, programs: Vec::new(), complaints: Vec::new() })
    }

    /// Keeps those of `descs` that match. Gives the number and the captured bytes of the others.
    pub(crate) fn keep_matching(
        &mut self,
        region: &Region,
        descs: &mut Vec<FrameDesc>,
    ) -> (u64, u64) {
        let bytes = region.bytes();
        let (mut frames, mut frame_bytes) = (0, 0);
        descs.retain(|desc| {
            let start = desc.offset as usize;
            let data = bytes.get(start..start + desc.cap_len as usize).unwrap_or_default();
            let is_match =
                self.program(desc.link).is_some_and(|program| program.matches(data, desc.wire_len));
            if !is_match {
                frames += 1;
                frame_bytes += u64::from(desc.cap_len);
            }
            is_match
        });
        (frames, frame_bytes)
    }

    /// The link types whose frames can't match, each given once, and why.
    pub(crate) fn take_complaints(&mut self) -> Vec<(LinkType, String)> {
        std::mem::take(&mut self.complaints)
    }

    fn program(&mut self, link: LinkType) -> Option<&Program> {
        let index = match self.programs.iter().position(|(of, _)| *of == link) {
            Some(index) => index,
            None => self.add_program(link),
        };
        self.programs.get(index).and_then(|(_, program)| program.as_ref())
    }

    #[cold]
    fn add_program(&mut self, link: LinkType) -> usize {
        let program = match Program::compile(&self.expression, link) {
            Ok(program) => Some(program),
            Err(message) => {
                self.complaints.push((link, message));
                None
            }
        };
        self.programs.push((link, program));
        self.programs.len() - 1
    }
}

/// Link types on which expressions are tried that Ethernet has no meaning for: IEEE 802.11 with
/// and without radiotap, Linux cooked, MTP2 with pseudo-header.
const OTHER_LINKS: [LinkType; 4] =
    [LinkType(127), LinkType(105), LinkType::LINUX_SLL, LinkType(139)];
