//! Devices over the API: a secret that is shown once, another one, and none.

use reqwest::Method;

use super::{Desk, check_problem, json};

#[tokio::test]
async fn a_device_is_made_given_another_secret_and_taken_away_and_its_secret_is_shown_once() {
    let desk = Desk::open().await;
    let body = "{\"name\":\"desk-1\"}";
    let made = desk.post("/api/v1/devices", body).await;
    assert_eq!(made.status(), 201);
    let secret = json(made).await["secret"].as_str().unwrap().to_string();
    check_problem(desk.post("/api/v1/devices", body).await, 409, "conflict").await;
    let wrong = desk.post("/api/v1/devices", "{\"name\":\"Desk 1\"}").await;
    check_problem(wrong, 400, "bad-request").await;

    let all = desk.read("/api/v1/devices").await;
    assert_eq!(all["devices"][0]["name"], "desk-1", "{all}");
    assert_eq!(all["devices"][0]["has_md5"], false, "{all}");
    let rotated = desk.post("/api/v1/devices/desk-1/rotate", "{\"md5\":true}").await;
    assert_eq!(rotated.status(), 200);
    let other = json(rotated).await["secret"].as_str().unwrap().to_string();
    assert!(other != secret && other.len() >= 40);
    let all = desk.read("/api/v1/devices").await;
    assert_eq!(all["devices"][0]["has_md5"], true, "{all}");
    let everything = format!("{all}{}", desk.read("/api/v1/audit").await);
    assert!(!everything.contains(&secret) && !everything.contains(&other));
    assert!(everything.contains("device rotate"), "{everything}");

    let path = "/api/v1/devices/desk-1";
    let gone = desk.signed(Method::DELETE, path).send().await.unwrap();
    assert_eq!(gone.status(), 204);
    let again = desk.signed(Method::DELETE, path).send().await.unwrap();
    check_problem(again, 404, "no-such-device").await;
    let all = desk.read("/api/v1/devices").await;
    assert_eq!(all["devices"].as_array().map(Vec::len), Some(0), "{all}");
    desk.close().await.unwrap();
}
