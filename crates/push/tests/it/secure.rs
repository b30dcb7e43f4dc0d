//! Deliveries over TLS: who is trusted, what each failure is called, and that it is the target's.

use std::path::PathBuf;
use std::time::Duration;

use forebay_core::{Answer, TargetFault, TlsFault, UnknownCause, Verdict};
use forebay_push::{Connections, Endpoint, Identity, Limits, Tls, TlsError, TlsFiles, TlsPart};
use forebay_trial::tls::{Authority, Certified, Front, Manners};
use forebay_trial::{Journal, Script, Service};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::{in_time, origin, record, service};

/// An authority, a service behind a front, and a directory for what is written in PEM.
struct Trial {
    authority: Authority,
    journal: Journal,
    service: Service,
    directory: TempDir,
}

impl Trial {
    fn new() -> Self {
        let journal = Journal::default();
        let service = Service::start(Script::accepting(), &journal);
        let directory = tempfile::tempdir().unwrap();
        Self { authority: Authority::new("ours"), journal, service, directory }
    }

    fn front(&self, manners: &Manners) -> Front {
        Front::start(self.service.address(), manners)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Trusts the trial's authority alone.
    fn trusting(&self) -> TlsFiles {
        let authorities = Some(self.file("ca.pem", &self.authority.pem()));
        TlsFiles { authorities, ..TlsFiles::default() }
    }

    fn showing(&self, certified: &Certified) -> TlsFiles {
        let certificate = self.file("client.pem", &certified.certificate);
        let key = self.file("client.key", &certified.key);
        TlsFiles { identity: Some(Identity { certificate, key }), ..self.trusting() }
    }

    fn connections(&self, url: &str, files: &TlsFiles) -> Connections {
        let endpoint = Endpoint::parse(url, "v1").unwrap();
        Connections::new(endpoint, Limits::default(), Tls::load(files).unwrap())
    }

    fn delivered(&self) -> usize {
        self.journal.requests().len()
    }
}

async fn deliver(connections: &Connections) -> Answer {
    connections.deliver(&origin(), &record("value"), in_time()).await.unwrap()
}

#[tokio::test]
async fn records_go_over_one_connection_to_whom_its_name_certifies() {
    let trial = Trial::new();
    let front = trial.front(&Manners::showing(trial.authority.certify(&["localhost"])));
    let connections = trial.connections(&front.url("localhost"), &trial.trusting());
    for _ in 0..5 {
        assert_eq!(deliver(&connections).await, Answer::accepted(200));
    }
    let [seen] = &front.seen()[..] else { panic!("{:?}", front.seen()) };
    assert_eq!(seen.server_name.as_deref(), Some("localhost"));
    let requests = trial.journal.requests();
    assert_eq!(requests.len(), 5);
    let host = format!("localhost:{}", front.address().port());
    assert!(requests.iter().all(|request| request.header("host") == Some(&host)));
}

/// The clock stands still but for what the test lets pass: it runs on by itself only while no thread
/// is at work for the runtime.
#[tokio::test(start_paused = true)]
async fn what_connecting_took_is_taken_from_the_time_that_a_service_has() {
    let (test_goes_on, ends) = std::sync::mpsc::sync_channel::<()>(1);
    let stands = tokio::task::spawn_blocking(move || ends.recv());
    let trial = Trial::new();
    let front = trial.front(&Manners::showing(trial.authority.certify(&["127.0.0.1"])));
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", slow.local_addr().unwrap());
    let passed_on = tokio::spawn(async move {
        let (mut peer, _) = slow.accept().await.unwrap();
        tokio::time::advance(Duration::from_millis(4_321)).await;
        let mut service = tokio::net::TcpStream::connect(front.address()).await.unwrap();
        tokio::io::copy_bidirectional(&mut peer, &mut service).await
    });
    let connections = trial.connections(&url, &trial.trusting());
    for _ in 0..2 {
        assert_eq!(deliver(&connections).await, Answer::accepted(200));
    }
    let requests = trial.journal.requests();
    let told = requests.iter().map(|request| request.header("forebay-timeout-ms"));
    assert_eq!(told.collect::<Vec<_>>(), [Some("15679"), Some("20000")], "of 20 s, then connected");
    passed_on.abort();
    drop(test_goes_on);
    assert!(stands.await.unwrap().is_err());
}

#[tokio::test]
async fn a_large_value_arrives_whole() {
    let trial = Trial::new();
    let front = trial.front(&Manners::showing(trial.authority.certify(&["localhost"])));
    let connections = trial.connections(&front.url("localhost"), &trial.trusting());
    let value: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let digest = forebay_trial::digest(&value);
    let answer = connections.deliver(&origin(), &record(value), in_time()).await.unwrap();
    assert_eq!(answer, Answer::accepted(200));
    assert_eq!(trial.journal.read()[0].what.digest, Some(digest));
}

#[tokio::test]
async fn an_address_in_the_url_is_what_the_certificate_is_to_be_for() {
    let trial = Trial::new();
    let front = trial.front(&Manners::showing(trial.authority.certify(&["127.0.0.1"])));
    let connections = trial.connections(&front.url("127.0.0.1"), &trial.trusting());
    assert_eq!(deliver(&connections).await, Answer::accepted(200));
    assert_eq!(front.seen()[0].server_name, None, "addresses are not asked for");
}

#[tokio::test]
async fn an_address_that_its_name_gave_is_certified_by_the_name() {
    let trial = Trial::new();
    let front = trial.front(&Manners::showing(trial.authority.certify(&["pay.example"])));
    let named = Endpoint::parse(&front.url("pay.example"), "v1").unwrap();
    let at = named.at("127.0.0.1".parse().unwrap());
    let tls = Tls::load(&trial.trusting()).unwrap();
    let connections = Connections::new(at.clone(), Limits::default(), tls.clone());
    assert_eq!(deliver(&connections).await, Answer::accepted(200));
    assert_eq!(front.seen()[0].server_name.as_deref(), Some("pay.example"));

    front.restart(&Manners::showing(trial.authority.certify(&["127.0.0.1"])));
    let connections = Connections::new(at, Limits::default(), tls);
    let verdict = deliver(&connections).await.verdict;
    assert_eq!(verdict, Verdict::TargetFault(TargetFault::Tls(TlsFault::Name)));
}

#[tokio::test]
async fn a_configured_name_is_what_the_certificate_is_to_be_for() {
    let trial = Trial::new();
    let front = trial.front(&Manners::showing(trial.authority.certify(&["pay.example"])));
    let files = TlsFiles { server_name: Some("pay.example".into()), ..trial.trusting() };
    let connections = trial.connections(&front.url("127.0.0.1"), &files);
    assert_eq!(deliver(&connections).await, Answer::accepted(200));
    assert_eq!(front.seen()[0].server_name.as_deref(), Some("pay.example"));
}

#[tokio::test]
async fn a_service_that_asks_for_a_certificate_gets_ours() {
    let trial = Trial::new();
    let asking = Manners::showing(trial.authority.certify(&["localhost"])).asking(&trial.authority);
    for old in [false, true] {
        let front = trial.front(&Manners { old, ..asking.clone() });
        let files = trial.showing(&trial.authority.certify(&["gateway"]));
        let connections = trial.connections(&front.url("localhost"), &files);
        assert_eq!(deliver(&connections).await, Answer::accepted(200));
    }
}

/// How a delivery ends with a service of these manners, and what is said of it.
async fn refusal(trial: &Trial, manners: &Manners, files: &TlsFiles) -> (TlsFault, String) {
    let front = trial.front(manners);
    let connections = trial.connections(&front.url("localhost"), files);
    let answer = deliver(&connections).await;
    assert_eq!(trial.delivered(), 0, "nothing is sent to whom is not trusted, or does not trust");
    let Verdict::TargetFault(TargetFault::Tls(fault)) = answer.verdict else {
        panic!("{answer:?}")
    };
    let reason = answer.reason.expect("a fault has a reason").into_string();
    assert!(reason.starts_with("localhost:"), "it says where: {reason}");
    (fault, reason)
}

#[tokio::test]
async fn each_thing_wrong_with_its_certificate_is_a_target_fault_that_says_what_to_do() {
    let trial = Trial::new();
    let ours = &trial.authority;
    let theirs = Authority::new("theirs");
    for (certified, fault, advice) in [
        (ours.certify_expired(&["localhost"]), TlsFault::Expired, "the service needs a new one"),
        (ours.certify_early(&["localhost"]), TlsFault::Expired, "compare the clocks"),
        (theirs.certify(&["localhost"]), TlsFault::Authority, "name the one that did by `ca`"),
        (ours.certify(&["elsewhere"]), TlsFault::Name, "`server_name`"),
        (ours.itself(), TlsFault::AuthoritysOwn, "(CA:FALSE)"),
    ] {
        let told = refusal(&trial, &Manners::showing(certified), &trial.trusting()).await;
        assert_eq!(told.0, fault, "{told:?}");
        assert!(told.1.contains(advice), "{told:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_signed_itself_and_is_no_authoritys_is_trusted_where_it_is_the_ca() {
    let trial = Trial::new();
    let certified = Certified::alone(&["localhost"]);
    let authorities = Some(trial.file("ca.pem", &certified.certificate));
    let front = trial.front(&Manners::showing(certified));
    let files = TlsFiles { authorities, ..TlsFiles::default() };
    let connections = trial.connections(&front.url("localhost"), &files);
    assert_eq!(deliver(&connections).await, Answer::accepted(200));
}

#[tokio::test]
async fn a_certificate_of_ours_that_is_wanted_and_not_taken_is_a_target_fault() {
    let trial = Trial::new();
    let asking = Manners::showing(trial.authority.certify(&["localhost"])).asking(&trial.authority);
    let stranger = Authority::new("theirs").certify(&["gateway"]);
    for old in [false, true] {
        let asking = Manners { old, ..asking.clone() };
        let (fault, reason) = refusal(&trial, &asking, &trial.showing(&stranger)).await;
        assert_eq!(fault, TlsFault::Client, "{reason}");
        assert!(reason.contains("does not take our certificate"), "{reason}");
        let expired = trial.authority.certify_expired(&["gateway"]);
        let (fault, reason) = refusal(&trial, &asking, &trial.showing(&expired)).await;
        assert_eq!(fault, TlsFault::Client, "{reason}");
        assert!(reason.contains("CertificateExpired"), "{reason}");
        let (fault, reason) = refusal(&trial, &asking, &trial.trusting()).await;
        assert_eq!(fault, TlsFault::Client, "{reason}");
        assert!(reason.contains("certificate of ours"), "{reason}");
    }
}

#[tokio::test]
async fn a_service_that_speaks_no_tls_or_no_http_1_is_a_target_fault() {
    let trial = Trial::new();
    let plain = service::Service::answering_any("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let url = format!("https://localhost:{}/", plain.address().port());
    let answer = deliver(&trial.connections(&url, &trial.trusting())).await;
    let handshake = TargetFault::Tls(TlsFault::Handshake);
    assert_eq!(answer.verdict, Verdict::TargetFault(handshake));
    assert!(answer.reason.unwrap().contains("is it an http:// address?"));

    let certified = trial.authority.certify(&["localhost"]);
    let manners = Manners { alpn: Some(b"h2"), ..Manners::showing(certified) };
    let (fault, reason) = refusal(&trial, &manners, &trial.trusting()).await;
    assert_eq!(fault, TlsFault::Handshake);
    assert!(reason.contains("does not speak HTTP/1.1"), "{reason}");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_about_in_time_is_a_target_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trial = Trial::new();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let connections = trial.connections(&url, &trial.trusting());
    let deadline = Instant::now() + Duration::from_secs(2);
    let answer = connections.deliver(&origin(), &record("value"), deadline).await.unwrap();
    let handshake = TargetFault::Tls(TlsFault::Handshake);
    assert_eq!(answer.verdict, Verdict::TargetFault(handshake));
    assert!(Instant::now() < deadline, "by its end nobody would know whether it was sent");
    // One that hangs up in the middle is none either.
    let hangs_up = async { drop(listener.accept().await.unwrap()) };
    let (answer, ()) = tokio::join!(deliver(&connections), async {
        hangs_up.await;
        drop(listener.accept().await.unwrap());
    });
    assert_eq!(answer.verdict, Verdict::TargetFault(handshake), "{answer:?}");
}

#[tokio::test]
async fn a_connection_that_is_replaced_goes_on_with_its_session() {
    let trial = Trial::new();
    let front = trial.front(&Manners::showing(trial.authority.certify(&["localhost"])));
    let endpoint = Endpoint::parse(&front.url("localhost"), "v1").unwrap();
    let limits = Limits { max_exchanges: Some(2), ..Limits::default() };
    let connections = Connections::new(endpoint, limits, Tls::load(&trial.trusting()).unwrap());
    for _ in 0..6 {
        assert_eq!(deliver(&connections).await, Answer::accepted(200));
    }
    let resumed: Vec<bool> = front.seen().iter().map(|seen| seen.resumed).collect();
    assert_eq!(resumed, [false, true, true]);
}

#[tokio::test]
async fn a_service_that_restarts_with_a_new_certificate_costs_no_delivery() {
    let trial = Trial::new();
    let front = trial.front(&Manners::showing(trial.authority.certify(&["localhost"])));
    let connections = trial.connections(&front.url("localhost"), &trial.trusting());
    for restarts in 0..5 {
        assert_eq!(deliver(&connections).await, Answer::accepted(200));
        assert_eq!(front.seen().len(), restarts + 1);
        front.restart(&Manners::showing(trial.authority.certify(&["localhost"])));
        // The rest after which the kernel is asked.
        let cut = Instant::now();
        while cut.elapsed() < Duration::from_millis(2) {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(trial.delivered(), 5);
}

#[tokio::test]
async fn what_tls_says_after_its_handshake_costs_a_connection_nothing() {
    let trial = Trial::new();
    let front = trial.front(&Manners::showing(trial.authority.certify(&["localhost"])));
    let connections = trial.connections(&front.url("localhost"), &trial.trusting());
    assert_eq!(connections.check().await, None);
    // Its tickets are under way from here on.
    while front.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(deliver(&connections).await, Answer::accepted(200));
    assert_eq!(front.seen().len(), 1, "the connection that was checked is used");
}

#[tokio::test]
async fn a_check_says_what_is_wrong_with_tls() {
    let trial = Trial::new();
    let expired = trial.authority.certify_expired(&["localhost"]);
    let front = trial.front(&Manners::showing(expired));
    let connections = trial.connections(&front.url("localhost"), &trial.trusting());
    assert_eq!(connections.check().await, Some(TargetFault::Tls(TlsFault::Expired)));
    assert_eq!(connections.resting(), 0);
}

#[tokio::test]
async fn what_a_service_says_unasked_over_tls_is_no_answer() {
    let trial = Trial::new();
    let service = service::Service::start(|mut peer| async move {
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        peer.closed().await;
    })
    .await;
    let manners = Manners::showing(trial.authority.certify(&["localhost"]));
    let front = Front::start(service.address(), &manners);
    let connections = trial.connections(&front.url("localhost"), &trial.trusting());
    assert_eq!(connections.check().await, None);
    while front.carried() == 0 {
        tokio::task::yield_now().await;
    }
    front.turn(trial.service.address());
    assert_eq!(deliver(&connections).await, Answer::accepted(200));
    assert_eq!(trial.delivered(), 1, "it was accepted by who was asked");
}

#[tokio::test]
async fn an_answer_whose_end_tls_does_not_confirm_is_unknown() {
    let trial = Trial::new();
    let service = service::Service::start(|mut peer| async move {
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\n\r\nit may go on").await;
        peer.closed().await;
    })
    .await;
    let manners = Manners::showing(trial.authority.certify(&["localhost"]));
    let front = Front::start(service.address(), &manners);
    let connections = trial.connections(&front.url("localhost"), &trial.trusting());
    let cut = async {
        while front.carried() == 0 {
            tokio::task::yield_now().await;
        }
        front.restart(&manners);
    };
    let (answer, ()) = tokio::join!(deliver(&connections), cut);
    assert_eq!(answer.verdict, Verdict::Unknown(UnknownCause::ConnectionLost), "{answer:?}");
}

#[test]
fn files_that_cannot_be_used_are_told_with_what_is_wrong() {
    let trial = Trial::new();
    let refused = |files: &TlsFiles| Tls::load(files).expect_err("it can't be used");
    let authorities = |path| TlsFiles { authorities: Some(path), ..TlsFiles::default() };
    let missing = refused(&authorities(trial.directory.path().join("missing.pem")));
    assert!(matches!(missing, TlsError::Unreadable { part: TlsPart::Authorities, .. }));
    assert!(missing.to_string().contains("missing.pem"), "{missing}");
    let empty = refused(&authorities(trial.file("empty.pem", "no certificate\n")));
    assert!(matches!(empty, TlsError::NoCertificate { part: TlsPart::Authorities, .. }));
    let name = TlsFiles { server_name: Some("not a name".into()), ..trial.trusting() };
    assert!(matches!(refused(&name), TlsError::ServerName(_)));

    let (one, other) = (trial.authority.certify(&["one"]), trial.authority.certify(&["other"]));
    let mixed = Certified { certificate: one.certificate.clone(), key: other.key };
    assert!(matches!(refused(&trial.showing(&mixed)), TlsError::Mismatch { .. }));
    let keyless = Certified { certificate: one.certificate.clone(), key: one.certificate.clone() };
    assert!(matches!(refused(&trial.showing(&keyless)), TlsError::NoKey { .. }));
    let bare = Certified { certificate: one.key.clone(), key: one.key };
    let error = refused(&trial.showing(&bare));
    assert!(matches!(error, TlsError::NoCertificate { part: TlsPart::Certificate, .. }));
    assert_eq!(error.part(), TlsPart::Certificate);
}

#[test]
fn two_are_equal_as_long_as_the_files_hold_the_same() {
    let trial = Trial::new();
    let files = trial.showing(&trial.authority.certify(&["gateway"]));
    let before = Tls::load(&files).unwrap();
    assert!(before == Tls::load(&files).unwrap());
    let renewed = trial.showing(&trial.authority.certify(&["gateway"]));
    assert_eq!(files, renewed, "only what is in them differs");
    assert!(before != Tls::load(&renewed).unwrap());
    assert!(before != Tls::load(&trial.trusting()).unwrap());
    assert!(!format!("{before:?}").contains("PRIVATE"));
}
