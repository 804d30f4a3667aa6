//! A lockdown over the API: one person orders it, everybody else is signed out, and two undo it.

use reqwest::Method;

use super::{Desk, NOON, check_problem, json, memory};

#[tokio::test]
async fn a_lockdown_signs_out_everybody_else_is_kept_and_takes_two_people_to_undo() {
    let store = memory();
    let desk = Desk::with(store.clone(), None).await;
    let other = desk.token_for("other", &["admin"]).await;
    let own = desk.token_for("own", &["admin"]).await;
    let made = desk.post("/api/v1/devices", "{\"name\":\"desk-1\"}").await;
    let secret = json(made).await["secret"].as_str().unwrap().to_string();
    let ann = desk.person("ann", &["admin"]).await;
    desk.enrol(&ann, NOON).await;
    let bob = desk.person("bob", &["admin"]).await;
    let (_, codes) = desk.enrol(&bob, NOON).await;
    // Somebody who has not come yet, and an account that is disabled.
    let invited = desk.invitation_body("ida").await;
    desk.person("dora", &["analyst"]).await;
    let change = async |cookie: &str, name: &str, body: &str| {
        let path = format!("/api/v1/users/{name}");
        desk.by_cookie(Method::PUT, &path, cookie, body).await
    };
    let disable = "{\"is_disabled\":true}";
    assert_eq!(change(&ann, "dora", disable).await.status(), 200);
    let look = async |cookie: &str| {
        let answer = desk.by_cookie(Method::GET, "/api/v1/lockdown", cookie, "").await;
        answer.status().as_u16()
    };
    assert_eq!((look(&ann).await, look(&bob).await), (200, 200));
    assert_eq!(desk.read("/api/v1/lockdown").await["is_locked"], false);

    // Who may not, may not, and without a reason nobody.
    let receptionist = desk.person("rita", &["receptionist"]).await;
    let order = "{\"why\":\"stolen laptop\",\"rotate_devices\":true}";
    let refused = desk
        .by_cookie(Method::POST, "/api/v1/lockdown", &receptionist, order)
        .await;
    check_problem(refused, 403, "role-missing").await;
    // Nor with what the audit would hold for good.
    for why in [" ", "calls of +1 404 555 0123", "two\\nlines"] {
        let body = format!("{{\"why\":\"{why}\"}}");
        let refused = desk
            .by_cookie(Method::POST, "/api/v1/lockdown", &ann, &body)
            .await;
        check_problem(refused, 400, "bad-request").await;
    }

    let ordered = desk
        .by_cookie(Method::POST, "/api/v1/lockdown", &ann, order)
        .await;
    assert_eq!(ordered.status(), 200);
    let ordered = json(ordered).await;
    assert_eq!(ordered["lockdown"]["is_locked"], true, "{ordered}");
    let rotated = ordered["devices"][0]["secret"].as_str().unwrap();
    assert!(rotated != secret && rotated.len() >= 40, "{ordered}");

    // Ann goes on; nobody else does, not even by the first token.
    assert_eq!(look(&ann).await, 200);
    for cookie in [&bob, &receptionist] {
        assert_eq!(look(cookie).await, 401);
    }
    for token in [&desk.token, &other, &own] {
        let asked = desk
            .ask(Method::GET, "/api/v1/lockdown")
            .bearer_auth(token)
            .send()
            .await;
        assert_eq!(asked.unwrap().status(), 401);
    }
    // Nobody makes himself another person meanwhile.
    let body = "{\"name\":\"carl\",\"person\":\"Carl\",\"roles\":[\"admin\"]}";
    let made = desk.by_cookie(Method::POST, "/api/v1/users", &ann, body).await;
    check_problem(made, 409, "conflict").await;
    let reset = desk
        .by_cookie(Method::POST, "/api/v1/users/bob/reset", &ann, "")
        .await;
    check_problem(reset, 409, "conflict").await;
    for (name, body) in [
        ("rita", "{\"roles\":[\"receptionist\",\"admin\"]}"),
        ("rita", "{\"roles\":[\"analyst\"]}"),
        ("dora", "{\"is_disabled\":false}"),
    ] {
        check_problem(change(&ann, name, body).await, 409, "conflict").await;
    }
    assert_eq!(change(&ann, "rita", disable).await.status(), 200, "less is given");
    let accepted = desk
        .ask(Method::POST, "/api/v1/invitation")
        .header("content-type", "application/json")
        .body(invited)
        .send()
        .await
        .unwrap();
    check_problem(accepted, 409, "conflict").await;
    let made = desk
        .by_cookie(
            Method::POST,
            "/api/v1/tokens",
            &ann,
            "{\"name\":\"hers\",\"roles\":[\"admin\"]}",
        )
        .await;
    let hers = json(made).await["token"].as_str().unwrap().to_string();

    // One asks for the end, and is not two.
    let confirm = "/api/v1/lockdown/undo/confirm";
    let early = desk.by_cookie(Method::POST, confirm, &ann, "").await;
    check_problem(early, 409, "conflict").await;
    let asked = desk
        .by_cookie(Method::POST, "/api/v1/lockdown/undo", &ann, "")
        .await;
    assert_eq!(json(asked).await["last"]["undo_asked_by"], "ann");
    let alone = desk.by_cookie(Method::POST, confirm, &ann, "").await;
    check_problem(alone, 409, "conflict").await;
    let alone = desk
        .ask(Method::POST, confirm)
        .bearer_auth(&hers)
        .send()
        .await
        .unwrap();
    check_problem(alone, 409, "conflict").await;
    desk.close().await.unwrap();

    // A restart ends nothing: neither the lockdown nor the sessions that came after it.
    let desk = Desk::with(store, None).await;
    let still = desk.by_cookie(Method::GET, "/api/v1/lockdown", &ann, "").await;
    assert_eq!(json(still).await["is_locked"], true);
    let bob = desk.sign_in_by_code("bob", codes[0].as_str().unwrap()).await;
    let ended = desk.by_cookie(Method::POST, confirm, &bob, "").await;
    let ended = json(ended).await;
    assert_eq!(
        (&ended["is_locked"], &ended["last"]["by"]),
        (&false.into(), &"ann".into()),
        "{ended}"
    );
    let asked = desk
        .ask(Method::GET, "/api/v1/lockdown")
        .bearer_auth(&other)
        .send()
        .await;
    assert_eq!(asked.unwrap().status(), 401, "what was ended stays ended");
    let audit = desk.by_cookie(Method::GET, "/api/v1/audit", &ann, "").await;
    let audit = json(audit).await.to_string();
    for what in [
        "lockdown order",
        "lockdown undo asked",
        "lockdown undo confirmed",
        "device rotate",
    ] {
        assert!(audit.contains(what), "{what}: {audit}");
    }
    assert!(!audit.contains(rotated));
    desk.close().await.unwrap();
}
