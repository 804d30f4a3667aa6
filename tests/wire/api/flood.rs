//! Floods and blocks by hand, over the API: for a term, with a reason, written down, by whom it is allowed.

use reqwest::Method;

use super::{Desk, check_problem, json};

#[tokio::test]
async fn a_flood_is_said_by_hand_for_a_term_and_taken_back() {
    let desk = Desk::open().await;
    let before = desk.read("/api/v1/flood").await;
    assert_eq!(
        (&before["is_on"], &before["mode"], &before["by_hand"]),
        (&false.into(), &"auto".into(), &serde_json::Value::Null),
        "{before}"
    );
    let path = "/api/v1/flood/mode";
    for wrong in [
        "{\"mode\":\"on\",\"why\":\"x\"}",
        "{\"mode\":\"on\",\"minutes\":0,\"why\":\"x\"}",
        "{\"mode\":\"on\",\"minutes\":1441,\"why\":\"x\"}",
        "{\"mode\":\"on\",\"minutes\":5,\"why\":\" \"}",
        "{\"mode\":\"auto\",\"minutes\":5,\"why\":\"x\"}",
        "{\"mode\":\"maybe\",\"minutes\":5,\"why\":\"x\"}",
    ] {
        check_problem(desk.post(path, wrong).await, 400, "bad-request").await;
    }
    let analyst = desk.person("anna", &["analyst"]).await;
    let on = "{\"mode\":\"on\",\"minutes\":30,\"why\":\"bomb threats\"}";
    let refused = desk.by_cookie(Method::POST, path, &analyst, on).await;
    check_problem(refused, 403, "role-missing").await;
    assert_eq!(desk.read("/api/v1/flood").await, before, "nothing of that counts");

    let supervisor = desk.person("susan", &["supervisor"]).await;
    let said = json(desk.by_cookie(Method::POST, path, &supervisor, on).await).await;
    assert_eq!(
        (&said["is_on"], &said["mode"]),
        (&true.into(), &"on".into()),
        "{said}"
    );
    let word = &said["by_hand"];
    assert_eq!(
        (&word["by"], &word["why"]),
        (&"susan".into(), &"bomb threats".into())
    );
    let seconds = word["seconds"].as_u64().unwrap();
    assert!((1..=1_800).contains(&seconds), "{seconds}");
    let back = json(desk.post(path, "{\"mode\":\"auto\",\"why\":\"over\"}").await).await;
    assert_eq!(back, before);

    let audit = desk.read("/api/v1/audit").await.to_string();
    for line in ["200 on for 30 min: bomb threats", "200 auto: over"] {
        assert!(audit.contains(line), "{audit}");
    }
    desk.close().await.unwrap();
}

#[tokio::test]
async fn an_address_is_blocked_by_hand_for_a_term_and_lifted() {
    let desk = Desk::open().await;
    let path = "/api/v1/flood/blocks";
    let body = |address: &str| {
        format!("{{\"address\":\"{address}\",\"minutes\":60,\"why\":\"guesses extensions\"}}")
    };
    for wrong in [
        body("nowhere"),
        body("192.0.2.7").replace("60", "10081"),
        body("192.0.2.7").replace("guesses extensions", ""),
        body("192.0.2.7").replace("guesses extensions", "4045550123 calls"),
    ] {
        check_problem(desk.post(path, &wrong).await, 400, "bad-request").await;
    }
    let receptionist = desk.person("rita", &["receptionist"]).await;
    let refused = desk
        .by_cookie(Method::POST, path, &receptionist, &body("192.0.2.7"))
        .await;
    check_problem(refused, 403, "role-missing").await;
    // The carrier's, which the configuration names.
    check_problem(desk.post(path, &body("203.0.113.9")).await, 409, "conflict").await;

    desk.post(path, &body("2001:db8::7")).await;
    let blocked = json(desk.post(path, &body("192.0.2.7")).await).await;
    let blocked = blocked["blocked"].as_array().unwrap();
    let addresses: Vec<&str> = blocked
        .iter()
        .filter_map(|block| block["address"].as_str())
        .collect();
    assert_eq!(addresses, ["192.0.2.7", "2001:db8::"]);
    assert_eq!(blocked[0]["by_hand"]["why"], "guesses extensions");
    assert_eq!(blocked[0]["times"], 0, "nothing was done there");
    let lift = async |address: &str| {
        let path = format!("{path}/{address}");
        desk.signed(Method::DELETE, &path).send().await.unwrap()
    };
    assert_eq!(lift("192.0.2.7").await.status(), 204);
    check_problem(lift("192.0.2.7").await, 404, "no-such-block").await;
    check_problem(lift("nowhere").await, 404, "no-such-block").await;
    assert_eq!(lift("2001:db8::").await.status(), 204);
    assert_eq!(desk.read("/api/v1/flood").await["blocked"], serde_json::json!([]));
    let audit = desk.read("/api/v1/audit").await.to_string();
    assert!(
        audit.contains("192.0.2.7 for 60 min: guesses extensions"),
        "{audit}"
    );
    desk.close().await.unwrap();
}
