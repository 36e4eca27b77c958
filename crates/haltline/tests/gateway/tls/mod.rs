//! The listener over TLS: the real binary, certificates made for each test, and clients that verify.

pub(crate) mod authority;
pub(crate) mod client;
mod slow;

use crate::setup::{Setup, ask};
use authority::{Authority, Good, Issued};
use client::Client;
use haltline_testkit::{FakeConfig, FakeProvider, GatewayOptions, TestGateway};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const MODEL: &str = "[models.chat]\ntargets = [\"fake/m\"]\nmax_output_tokens = 100\n";

/// A gateway with this certificate, and these lines more in `[server.tls]`.
async fn gateway(pair: &Issued, more: &str) -> Setup {
    let provider = FakeConfig { prices: crate::setup::PRICES, ..FakeConfig::default() };
    let provider = FakeProvider::start(provider).await.expect("provider");
    let tls = format!("{MODEL}[server.tls]\ncert = \"file:{{dir}}/cert.pem\"\nkey = \"file:{{dir}}/key.pem\"\n{more}");
    let options = GatewayOptions::find().expect("binary");
    let mut gateway =
        TestGateway::prepare(options, &crate::setup::config(&provider.base_url(), &tls)).expect("gateway");
    put(&gateway, pair);
    let secret = gateway.create_key(&["test", "--users", "any"]).expect("key");
    gateway.serve().await.expect("ready");
    Setup { provider, gateway, secret }
}

fn put(gateway: &TestGateway, pair: &Issued) {
    // A key is as secret here as elsewhere, and replaced as renewers do it.
    for (name, text) in [("cert.pem", &pair.cert), ("key.pem", &pair.key)] {
        let draft = gateway.directory().join(format!("{name}.new"));
        fs::write(&draft, text).expect("written");
        fs::rename(&draft, gateway.directory().join(name)).expect("in place");
    }
}

/// Waits until the log says so.
async fn said(gateway: &TestGateway, what: &str) {
    for _ in 0..500 {
        if gateway.log().contains(what) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the log never said `{what}`:\n{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_over_tls_and_the_command_line_still_finds_the_gateway() {
    let authority = Authority::new();
    let setup = gateway(&authority.server(), "").await;
    let mut open = Client::new(&authority, None).connect(setup.gateway.address()).await.expect("a handshake");
    assert_eq!(open.protocol.as_deref(), Some(b"http/1.1".as_slice()));
    let (status, head, body) =
        open.post("/v1/chat/completions", &setup.secret, &ask("hello").to_string()).await.expect("answer");
    assert_eq!(status, 200, "{body:?}");
    assert_eq!(head["strict-transport-security"], "max-age=31536000");
    let output = setup.gateway.command_line(&["key", "list", "--format", "json"]).expect("run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"test\""));
    let (_, _, metrics) = open.get("/metrics", "").await.expect("metrics");
    let metrics = String::from_utf8_lossy(&metrics).into_owned();
    assert!(metrics.contains("haltline_tls_certificate_expiry_timestamp_seconds 2840140800"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_taken_up_without_dropping_a_connection_and_a_broken_one_is_not() {
    let authority = Authority::new();
    let (first, second, third) = (authority.server(), authority.server(), authority.server());
    let setup = gateway(&first, "").await;
    let (client, address) = (Client::new(&authority, None), setup.gateway.address());
    let mut old = client.connect(address).await.expect("a handshake");
    assert_eq!(old.shown, first.chain()[0]);

    put(&setup.gateway, &second);
    said(&setup.gateway, "reload: the new configuration is in force").await;
    assert_eq!(old.get("/readyz", "").await.expect("the old connection lives").0, 200);
    assert_eq!(client.connect(address).await.expect("a handshake").shown, second.chain()[0]);

    // The certificate of one pair with the key of another.
    put(&setup.gateway, &Issued { cert: third.cert.clone(), key: second.key.clone() });
    said(&setup.gateway, "it is not the key of the first certificate").await;
    said(&setup.gateway, "the old configuration stays in force").await;
    assert_eq!(client.connect(address).await.expect("a handshake").shown, second.chain()[0]);
    let check = setup.gateway.command_line(&["check"]).expect("run");
    assert_eq!(check.status.code(), Some(2));

    let log = setup.gateway.log();
    for pair in [&first, &second, &third] {
        let line = pair.key.lines().nth(1).expect("a line of the key");
        assert!(!log.contains(line), "key material in the log");
    }

    put(&setup.gateway, &third);
    setup.gateway.hup().expect("HUP");
    for _ in 0..500 {
        if client.connect(address).await.expect("a handshake").shown == third.chain()[0] {
            assert_eq!(old.get("/readyz", "").await.expect("the old connection lives").0, 200);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the third certificate was never shown:\n{}", setup.gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_without_a_good_certificate_stay_outside() {
    let (authority, of_clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let (good, expired) = (of_clients.client(Good::ForYears), of_clients.client(Good::NoMore));
    let strange = strangers.client(Good::ForYears);
    for (auth, without) in [("required", false), ("optional", true)] {
        let more = format!("client_ca = '''{}'''\nclient_auth = \"{auth}\"\n", of_clients.pem());
        let setup = gateway(&authority.server(), &more).await;
        let cases = [
            ("a good one", Some(&good), true),
            ("none", None, without),
            ("an expired one", Some(&expired), false),
            ("one of strangers", Some(&strange), false),
        ];
        for (what, shows, enters) in cases {
            let answer = Client::new(&authority, shows).get(setup.gateway.address(), "/readyz").await;
            assert_eq!(answer.is_ok_and(|(status, _)| status == 200), enters, "{auth}: {what}");
        }
        said(&setup.gateway, "a TLS handshake failed").await;
        assert_eq!(setup.provider.calls().chat, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_expires_while_a_client_is_known_does_not_let_it_in_again() {
    // Resumption would skip the verification: a second connection of the same client is a whole
    // handshake, so both sides show their certificates again.
    let (authority, of_clients) = (Authority::new(), Authority::new());
    let more = format!("client_ca = '''{}'''\n", of_clients.pem());
    let setup = gateway(&authority.server(), &more).await;
    let client = Client::new(&authority, Some(&of_clients.client(Good::ForYears)));
    for _ in 0..3 {
        let mut open = client.connect(setup.gateway.address()).await.expect("a handshake");
        assert_eq!(open.get("/readyz", "").await.expect("answer").0, 200);
        assert!(open.is_whole, "a session was resumed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_trust_us_goes_and_the_log_says_why() {
    let setup = gateway(&Authority::new().server(), "").await;
    let error = Client::new(&Authority::new(), None).connect(setup.gateway.address()).await.err().expect("refused");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    said(&setup.gateway, "the client does not trust our certificate").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_and_old_tls_are_told_so_and_closed() {
    let authority = Authority::new();
    let setup = gateway(&authority.server(), "").await;
    let address = setup.gateway.address();
    let plain =
        talk(address, b"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer not-to-be-logged\r\n\r\n").await;
    let plain = String::from_utf8_lossy(&plain).into_owned();
    assert!(plain.starts_with("HTTP/1.1 400") && plain.contains("https://"), "{plain}");
    said(&setup.gateway, "spoke to the TLS port without TLS").await;
    assert!(!setup.gateway.log().contains("not-to-be-logged"));
    // A ClientHello of TLS 1.1: the answer is the alert `protocol_version` (70).
    let mut hello = vec![0x16, 3, 1, 0, 55, 1, 0, 0, 51, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    let old = talk(address, &hello).await;
    assert_eq!((old.first(), old.get(5..7)), (Some(&0x15), Some([2, 70].as_slice())), "{old:?}");
    assert_eq!(Client::new(&authority, None).get(address, "/readyz").await.expect("still there").0, 200);
}

/// Sends bytes and reads until the other side closes.
async fn talk(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.to_vec();
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
        stream.write_all(&bytes).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("closed, not left open");
        answer
    })
    .await
    .expect("client")
}
