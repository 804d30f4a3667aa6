//! Searches that people keep: each for himself, few, without numbers, and gone with the account.

use reqwest::{Method, Response};
use serde_json::{Value, json as object};

use super::{Desk, check_problem, json, with_json};

impl Desk {
    async fn of(&self, cookie: &str, method: Method, name: &str, body: Option<&Value>) -> Response {
        let path = format!("/api/v1/account/searches{name}");
        let mut ask = self
            .ask(method, &path)
            .header("cookie", cookie)
            .header("x-ringward", "1");
        if let Some(body) = body {
            ask = with_json(ask, &body.to_string());
        }
        ask.send().await.unwrap()
    }

    async fn kept(&self, cookie: &str) -> Vec<String> {
        let list = json(self.of(cookie, Method::GET, "", None).await).await;
        let searches = list["searches"].as_array().unwrap().iter();
        searches
            .map(|one| one["name"].as_str().unwrap().to_string())
            .collect()
    }
}

#[tokio::test]
async fn a_person_keeps_searches_that_nobody_else_sees_and_that_go_with_the_account() {
    let desk = Desk::open().await;
    let ann = desk.person("ann", &["receptionist"]).await;
    let bob = desk.person("bob", &["analyst"]).await;
    let forged = object!({ "label": "forged", "queue": "front-desk", "mine": true });
    let kept = json(
        desk.of(&ann, Method::PUT, "/forged%2C%20mine", Some(&forged))
            .await,
    )
    .await;
    assert_eq!(
        kept,
        object!({ "name": "forged, mine", "label": "forged", "ending": null, "queue": "front-desk", "mine": true })
    );
    let missed = object!({ "ending": "no_answer" });
    desk.of(&ann, Method::PUT, "/missed", Some(&missed)).await;
    let other = object!({ "ending": "cancelled" });
    assert_eq!(
        desk.of(&ann, Method::PUT, "/missed", Some(&other)).await.status(),
        200
    );
    assert_eq!(desk.kept(&ann).await, ["forged, mine", "missed"]);
    assert_eq!(desk.kept(&bob).await, [""; 0]);
    check_problem(
        desk.of(&bob, Method::DELETE, "/missed", None).await,
        404,
        "no-such-search",
    )
    .await;
    assert_eq!(desk.of(&ann, Method::DELETE, "/missed", None).await.status(), 204);
    assert_eq!(desk.kept(&ann).await, ["forged, mine"]);

    for bad in [
        object!({ "label": "bad" }),
        object!({ "ending": "bad" }),
        object!({ "queue": "x".repeat(65) }),
        object!({ "queue": "+14045550123" }),
        object!({ "number": "+14045550123" }),
    ] {
        let answer = desk.of(&ann, Method::PUT, "/bad", Some(&bad)).await;
        check_problem(answer, 400, "bad-request").await;
    }
    for name in [
        "/calls%20of%20%2B14045550123",
        "/%20x",
        &format!("/{}", "x".repeat(41)),
    ] {
        let answer = desk.of(&ann, Method::PUT, name, Some(&forged)).await;
        check_problem(answer, 400, "bad-request").await;
    }
    for number in 0..19 {
        let answer = desk
            .of(&ann, Method::PUT, &format!("/{number:02}"), Some(&missed))
            .await;
        assert_eq!(answer.status(), 200);
    }
    let full = desk.of(&ann, Method::PUT, "/one-more", Some(&missed)).await;
    check_problem(full, 409, "conflict").await;
    // A token is no account.
    let by_token = desk
        .signed(Method::GET, "/api/v1/account/searches")
        .send()
        .await
        .unwrap();
    check_problem(by_token, 409, "no-account").await;

    let gone = desk
        .signed(Method::DELETE, "/api/v1/users/ann")
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), 204);
    let shelf = desk.store.shelf("searches").unwrap();
    assert!(shelf.documents.is_empty(), "{shelf:?}");
    desk.close().await.unwrap();
}
