//! The board as a page for Prometheus, and a server for that page alone.
//!
//! One request at a time, each bounded in bytes and seconds: whoever scrapes comes every few
//! seconds, and nobody else has anything to ask.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use dissect::{SkipReason, Timestamp};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use report::Verdict;

use super::board::Board;

type Labels = Vec<(&'static str, String)>;
type Float = Gauge<f64, AtomicU64>;

/// Bytes of a request that are read: its first line is all that matters.
const REQUEST_LEN_MAX: usize = 8192;
/// How long a client may take for its request, and to take the answer.
const CLIENT_PATIENCE: Duration = Duration::from_secs(5);

/// Verdicts that hosts on the board may have.
const ILL: [Verdict; 4] =
    [Verdict::Breaks, Verdict::FailsToday, Verdict::AtRisk, Verdict::Degrades];

/// Serves the board until the program ends.
pub(super) fn serve(listener: TcpListener, board: Arc<Mutex<Board>>, start: Timestamp) {
    thread::spawn(move || {
        for client in listener.incoming() {
            match client {
                // A client that goes away early does itself no good and us no harm.
                Ok(client) => drop(answer(client, &board, start)),
                // Out of descriptors, as a rule.
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    });
}

fn answer(mut client: TcpStream, board: &Mutex<Board>, start: Timestamp) -> io::Result<()> {
    client.set_read_timeout(Some(CLIENT_PATIENCE))?;
    client.set_write_timeout(Some(CLIENT_PATIENCE))?;
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while request.len() < REQUEST_LEN_MAX && !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match client.read(&mut chunk)? {
            0 => break,
            len => request.extend(chunk.iter().take(len)),
        }
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let (status, kind, body) = match (method, path) {
        (b"GET" | b"HEAD", b"/metrics") => {
            let board = board.lock().unwrap_or_else(PoisonError::into_inner);
            let page = page(&board, start).unwrap_or_default();
            ("200 OK", "application/openmetrics-text; version=1.0.0; charset=utf-8", page)
        }
        (b"GET" | b"HEAD", _) => {
            ("404 Not Found", "text/plain", "metrics are at /metrics\n".to_owned())
        }
        _ => ("405 Method Not Allowed", "text/plain", "only GET is answered\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes())?;
    if method != b"HEAD" {
        client.write_all(body.as_bytes())?;
    }
    client.flush()
}

/// The board as OpenMetrics text.
fn page(board: &Board, start: Timestamp) -> Result<String, fmt::Error> {
    let mut page = Page(Registry::default());
    page.capture(board);
    page.connections(board);
    page.process(start);
    let mut text = String::new();
    encode(&mut text, &page.0)?;
    Ok(text)
}

struct Page(Registry);

impl Page {
    fn capture(&mut self, board: &Board) {
        let interfaces = &board.interfaces;
        let each = |count: fn(&capture::InterfaceCounts) -> u64| {
            let row =
                |it: &capture::InterfaceCounts| (vec![("interface", it.name.clone())], count(it));
            interfaces.iter().map(row).collect::<Vec<_>>()
        };
        self.counters(
            "tlsunset_packets",
            "Packets delivered to the program",
            each(|it| it.received),
        );
        self.counters(
            "tlsunset_kernel_drops",
            "Packets that the kernel dropped because its buffer was full",
            each(|it| it.kernel_drops),
        );
        self.counters(
            "tlsunset_interface_drops",
            "Packets that the interface or its driver dropped",
            each(|it| it.interface_drops),
        );
        self.counters(
            "tlsunset_interface_outages",
            "How often the interface went down or away",
            each(|it| it.outages),
        );
        let skipped = SkipReason::ALL.into_iter().map(|reason| {
            (vec![("reason", reason.name().to_owned())], board.counters.skipped_for(reason))
        });
        self.counters(
            "tlsunset_packets_skipped",
            "Packets that were not followed to a transport segment",
            skipped.collect(),
        );
        let counters = &board.counters;
        self.counter("tlsunset_captured_bytes", "Captured bytes of packets", counters.bytes);
        self.counter("tlsunset_gaps", "Holes in streams that never filled", counters.gaps);
        self.gauge(
            "tlsunset_reading_threads",
            "Threads that take packets off each interface",
            board.readers as f64,
        );
        self.counter(
            "tlsunset_packets_handed_over",
            "Packets that came to one thread and belonged to another, in tunnels as a rule",
            board.handed_over,
        );
        self.gauge(
            "tlsunset_capture_lag_seconds",
            "By how much packets were late when they were taken, at most",
            board.lag_ns as f64 / 1e9,
        );
        if let Some(newest) = board.newest {
            self.gauge(
                "tlsunset_last_packet_timestamp_seconds",
                "When the newest packet was captured",
                seconds(newest),
            );
        }
    }

    fn connections(&mut self, board: &Board) {
        let flows = board.flows.iter().map(|((policy, version, verdict), count)| {
            let labels = vec![
                ("policy", policy.to_string()),
                ("version", (*version).to_owned()),
                ("verdict", (*verdict).to_owned()),
            ];
            (labels, *count)
        });
        self.counters(
            "tlsunset_flows",
            "Connections decided, by policy, negotiated version and verdict",
            flows.collect(),
        );
        let mut policies: Vec<_> = board.flows.keys().map(|(policy, ..)| policy).collect();
        policies.dedup();
        let hosts = Family::<Labels, Gauge>::default();
        for policy in policies {
            for verdict in ILL {
                let labels =
                    vec![("policy", policy.to_string()), ("verdict", verdict.name().to_owned())];
                hosts.get_or_create(&labels).set(signed(board.hosts_with(policy, verdict)));
            }
        }
        self.0.register("tlsunset_hosts", "Hosts seen that do not pass, by worst verdict", hosts);
        self.counter(
            "tlsunset_evicted_flows",
            "Connections given up to stay below the memory ceiling",
            board.counters.evicted_flows,
        );
        for (name, help, value) in [
            ("tlsunset_flow_table_entries", "Connections in the tables", board.held.connections),
            ("tlsunset_flow_table_bytes", "Bytes of the tables of connections", board.held.bytes),
            ("tlsunset_dns_answers", "DNS answers at hand", board.names),
            ("tlsunset_pending_flows", "Connections that wait to be written", board.pending),
        ] {
            self.gauge(name, help, value as f64);
        }
        self.counter(
            "tlsunset_hosts_passed_over",
            "Sightings of hosts for which the table of hosts had no room",
            board.hosts_passed_over,
        );
        self.counter(
            "tlsunset_intervals_written",
            "Report folders written",
            board.intervals_written,
        );
        self.counter(
            "tlsunset_write_failures",
            "Attempts to write a report that failed",
            board.write_failures,
        );
    }

    fn process(&mut self, start: Timestamp) {
        let info = Family::<Labels, Gauge>::default();
        info.get_or_create(&vec![("version", env!("CARGO_PKG_VERSION").to_owned())]).set(1);
        self.0.register("tlsunset_build_info", "The version of the program", info);
        self.gauge(
            "process_start_time_seconds",
            "When the program began to listen",
            seconds(start),
        );
        if let Some(bytes) = resident_bytes() {
            self.gauge("process_resident_memory_bytes", "Memory in use", bytes as f64);
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        self.0.register(name, help, counter);
    }

    fn counters(&mut self, name: &str, help: &str, values: Vec<(Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        let gauge = Float::default();
        gauge.set(value);
        self.0.register(name, help, gauge);
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn seconds(time: Timestamp) -> f64 {
    time.as_nanos() as f64 / 1e9
}

/// Memory in use, where the system tells.
pub(super) fn resident_bytes() -> Option<u64> {
    const PAGE: u64 = 4096;
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        let mut board = Board::default();
        board.interfaces.push(capture::InterfaceCounts {
            name: "eth1".to_owned(),
            received: 12,
            kernel_drops: 3,
            ..capture::InterfaceCounts::default()
        });
        board.flows.insert(("office365-tls12".into(), "TLSv1.0", "breaks"), 7);
        board
    }

    #[test]
    fn the_page_has_every_count() {
        let page = page(&board(), Timestamp::from_nanos(1_500_000_000)).unwrap();
        for line in [
            "tlsunset_packets_total{interface=\"eth1\"} 12",
            "tlsunset_kernel_drops_total{interface=\"eth1\"} 3",
            "tlsunset_flows_total{policy=\"office365-tls12\",version=\"TLSv1.0\",verdict=\"breaks\"} 7",
            "tlsunset_hosts{policy=\"office365-tls12\",verdict=\"breaks\"} 0",
            "tlsunset_captured_bytes_total 0",
            "tlsunset_packets_skipped_total{reason=\"not_ip\"} 0",
            "process_start_time_seconds 1.5",
            "# TYPE tlsunset_packets counter",
            "# EOF",
        ] {
            assert!(page.lines().any(|it| it == line), "{line}\n{page}");
        }
    }

    #[test]
    fn only_the_page_is_served() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap();
        serve(listener, Arc::new(Mutex::new(board())), Timestamp::default());
        let ask = |request: &str| {
            let mut client = TcpStream::connect(place).unwrap();
            client.write_all(request.as_bytes()).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            answer
        };
        assert!(ask("GET /metrics HTTP/1.1\r\n\r\n").contains("tlsunset_packets_total"));
        assert!(ask("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
        assert!(ask("").starts_with("HTTP/1.1 405"));
        let head = ask("HEAD /metrics HTTP/1.1\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200") && !head.contains("tlsunset_packets"));
        let mut flood = TcpStream::connect(place).unwrap();
        // Refused somewhere in the middle, or not.
        let _ = flood.write_all(&vec![b'x'; 4 * REQUEST_LEN_MAX]);
        assert!(ask("GET /metrics HTTP/1.1\r\n\r\n").contains("# EOF"));
    }
}
