//! Which addresses a verifier lets a stranger send it to, and what it bears from there.

use crate::matrix::host::{Page, Place};
use crate::matrix::message::Token;
use crate::matrix::{Case, Must, Scene, Stage, case};

const RULES: &str =
    "ATIS-1000074 §5.3.1: https, port 443 or 8443, no userinfo, query, fragment or path parameter";
const GUARD: &str =
    "RFC 6890 ranges, CWE-918: a caller must not choose what is asked inside the operator's network";
const BOUNDED: &str = "CWE-400: what a stranger makes us fetch needs a bound in time and size";

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("http", "x5u without TLS", Must::Refuse(436), RULES, |stage| {
            stage.call_from(Place::Plain, Page::Text)
        })
        .only_malformed(),
        case(
            "port-8080",
            "https on port 8080",
            Must::Refuse(436),
            RULES,
            |stage| stage.call_from(Place::OtherPort, Page::Text),
        )
        .only_malformed(),
        case(
            "userinfo",
            "a user name in the URL",
            Must::Refuse(436),
            RULES,
            |stage| url_with(stage, |url| url.replacen("://", "://cert.example.org@", 1)),
        )
        .only_malformed(),
        case("query", "a query in the URL", Must::Refuse(436), RULES, |stage| {
            url_with(stage, |url| url + "?to=elsewhere")
        })
        .only_malformed(),
        case(
            "fragment",
            "a fragment in the URL",
            Must::Refuse(436),
            RULES,
            |stage| url_with(stage, |url| url + "#part"),
        )
        .only_malformed(),
        case(
            "path-parameter",
            "a path parameter in the URL",
            Must::Refuse(436),
            RULES,
            |stage| url_with(stage, |url| url + ";v=1"),
        )
        .only_malformed(),
        case(
            "file-url",
            "`file:///etc/ssl/certs/...`",
            Must::Refuse(436),
            RULES,
            |stage| stage.call(&Token::new("file:///etc/passwd", stage.now)),
        ),
        case("no-url", "x5u is no URL", Must::Refuse(436), RULES, |stage| {
            stage.call(&Token::new("certificate", stage.now))
        }),
    ];
    cases.extend(guard());
    cases.extend(bounds());
    cases
}

fn guard() -> Vec<Case> {
    vec![
        case(
            "private-address",
            "x5u names an address inside the network, where a good certificate lies",
            Must::Refuse(436),
            GUARD,
            |stage| stage.call_from(Place::Private, Page::Text),
        ),
        case(
            "private-name",
            "x5u names a host (`localhost`) that resolves to an address inside",
            Must::Refuse(436),
            GUARD,
            |stage| {
                let url = stage.publish(Page::Text(stage.world.chain_of(&stage.world.signer)));
                let path = url.rsplit('/').next().unwrap_or_default();
                stage.call(&Token::new(&format!("https://localhost:8443/{path}"), stage.now))
            },
        ),
        case(
            "mapped-address",
            "the same address written as IPv4 in IPv6",
            Must::Refuse(436),
            GUARD,
            |stage| {
                let url = stage.hosts.publish(
                    Place::Private,
                    Page::Text(stage.world.chain_of(&stage.world.signer)),
                );
                let address = url
                    .trim_start_matches("https://")
                    .split(':')
                    .next()
                    .unwrap_or_default()
                    .to_string();
                stage.call(&Token::new(
                    &url.replacen(&address, &format!("[::ffff:{address}]"), 1),
                    stage.now,
                ))
            },
        ),
        case(
            "redirect-to-private",
            "the host redirects to an address inside the network",
            Must::Refuse(436),
            GUARD,
            |stage| {
                let inside = stage.hosts.publish(
                    Place::Private,
                    Page::Text(stage.world.chain_of(&stage.world.signer)),
                );
                let url = stage.publish(Page::Redirect(inside));
                stage.call(&Token::new(&url, stage.now))
            },
        ),
        case(
            "redirect",
            "the host redirects to the right file beside it",
            Must::Refuse(436),
            "ATIS-1000074 (as Asterisk quotes it): redirections are not followed; what x5u names is signed, what they name is not",
            |stage| {
                let real = stage.publish(Page::Text(stage.world.chain_of(&stage.world.signer)));
                let url = stage.publish(Page::Redirect(real));
                stage.call(&Token::new(&url, stage.now))
            },
        ),
        case(
            "unknown-web-certificate",
            "the host's own web certificate is of an unknown authority",
            Must::Refuse(436),
            "RFC 9110 §4.3.4: https is authenticated, or it is not https",
            |stage| stage.call_from(Place::UnknownWeb, Page::Text),
        ),
    ]
}

fn bounds() -> Vec<Case> {
    vec![
        case(
            "ten-megabytes",
            "the good file followed by 10 MB of blank lines",
            Must::Refuse(436),
            BOUNDED,
            |stage| stage.call_from(Place::Public, |chain| Page::Padded(chain, 10_000_000)),
        ),
        case(
            "slow-drip",
            "the file comes one octet every tenth of a second",
            Must::Unchecked,
            BOUNDED,
            |stage| stage.call_from(Place::Slow, Page::Drip),
        ),
        case(
            "silent-host",
            "the host takes the request and never answers",
            Must::Unchecked,
            BOUNDED,
            |stage| stage.call_from(Place::Slow, |_| Page::Silent),
        ),
        case(
            "status-404",
            "the host says 404",
            Must::Refuse(436),
            "RFC 8224 §6.2.2: 436",
            |stage| stage.call_from(Place::Public, |_| Page::Status(404)),
        ),
        case(
            "status-503",
            "the host says 503",
            Must::Unchecked,
            "RFC 8224 §6.2.2: 436; the fault is not the caller's",
            |stage| stage.call_from(Place::Public, |_| Page::Status(503)),
        ),
    ]
}

fn url_with(stage: &Stage<'_>, change: impl FnOnce(String) -> String) -> Scene {
    let url = stage.publish(Page::Text(stage.world.chain_of(&stage.world.signer)));
    stage.call(&Token::new(&change(url), stage.now))
}
