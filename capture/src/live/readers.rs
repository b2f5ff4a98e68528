//! Several threads on the same interfaces.

use dissect::Pairing;

use super::interface::Interface;
use super::{LiveEvent, LiveMonitor, LiveOptions, LiveSource, system};
use crate::CaptureError;

/// Several sources that share the frames of the same interfaces, a thread's own each.
///
/// Frames between the same outermost addresses come to the same source: that of their
/// [`Pairing::reader`], where the kernel can tell.
#[derive(Debug)]
pub struct LiveReaders {
    /// As many as asked for, or one where interfaces can't be shared.
    pub sources: Vec<LiveSource>,
    /// What is known of all of them.
    pub monitor: LiveMonitor,
}

impl LiveReaders {
    /// Opens the interfaces; afterwards no privilege is needed any more.
    ///
    /// # Errors
    ///
    /// When one of them does not exist, is down, or may not be captured on, and when the filter is
    /// not understood. That interfaces can't be shared is none; it is told as an event.
    pub fn open(
        names: &[String],
        options: &LiveOptions,
        pairing: &Pairing,
    ) -> Result<Self, CaptureError> {
        let monitor = LiveMonitor::default();
        let mut reasons = Vec::new();
        let mut sources = Vec::new();
        if system::CAN_SHARE && pairing.readers() > 1 {
            let mut readers: Vec<Vec<Interface>> = Vec::new();
            readers.resize_with(pairing.readers().into(), Vec::new);
            for name in names {
                match Interface::open_shared(name, options, pairing)? {
                    Ok(parts) => readers.iter_mut().zip(parts).for_each(|(to, it)| to.push(it)),
                    Err(reason) => {
                        reasons.push(LiveEvent::OneReader { name: name.clone(), reason });
                        break;
                    }
                }
            }
            if reasons.is_empty() {
                let source = |(place, parts)| LiveSource::new(parts, place, monitor.clone());
                sources.extend(readers.into_iter().enumerate().map(source));
            }
        }
        if sources.is_empty() {
            let open = |name: &String| Interface::open(name, options);
            let interfaces = names.iter().map(open).collect::<Result<Vec<_>, _>>()?;
            sources.push(LiveSource::new(interfaces, 0, monitor.clone()));
        }
        if let Some(first) = sources.first_mut() {
            first.tell(reasons.into_iter().chain(listening(names)));
        }
        sources.iter_mut().for_each(LiveSource::publish);
        Ok(Self { sources, monitor })
    }
}

fn listening(names: &[String]) -> impl Iterator<Item = LiveEvent> {
    names.iter().map(|name| LiveEvent::Listening { name: name.clone() })
}
