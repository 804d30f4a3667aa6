//! Alarms over the API: what is unusual is in the list with its reasons, and one person takes it.

use super::{Desk, check_problem, json};

#[tokio::test]
async fn guessed_passwords_are_an_alarm_that_explains_itself_and_is_taken_by_one_person() {
    let desk = Desk::open().await;
    assert_eq!(
        desk.read("/api/v1/alarms").await["alarms"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    for _ in 0..30 {
        // As the guards say it of a wrong credential.
        desk.alarms.sign_in_failed();
    }
    desk.alarms.look().unwrap();
    let alarms = desk.read("/api/v1/alarms").await;
    let alarm = &alarms["alarms"][0];
    assert_eq!(
        (&alarm["watch"], &alarm["state"]),
        (&"sign-ins".into(), &"open".into()),
        "{alarms}"
    );
    assert!(
        alarm["words"].as_str().unwrap().contains("wrong passwords"),
        "{alarm}"
    );
    let path = format!("/api/v1/alarms/{}/acknowledge", alarm["number"]);
    let long = serde_json::json!({ "note": "x".repeat(201) }).to_string();
    check_problem(desk.post(&path, &long).await, 400, "bad-request").await;
    for note in ["asked +1 404 555 0123", "looking\u{1b}[2J"] {
        let body = serde_json::json!({ "note": note }).to_string();
        check_problem(desk.post(&path, &body).await, 400, "bad-request").await;
    }
    let taken = json(desk.post(&path, "{\"note\":\"looking\"}").await).await;
    assert_eq!(
        (&taken["state"], &taken["acknowledged_by"], &taken["note"]),
        (&"acknowledged".into(), &"first".into(), &"looking".into()),
        "{taken}"
    );
    check_problem(desk.post(&path, "{}").await, 409, "conflict").await;
    check_problem(
        desk.post("/api/v1/alarms/99/acknowledge", "{}").await,
        409,
        "conflict",
    )
    .await;
    desk.close().await.unwrap();
}

#[tokio::test]
async fn a_wrong_credential_counts_for_the_alarms() {
    let desk = Desk::open().await;
    // From one address few are looked at a minute, and those that are not are refused before: 25 of them over some minutes.
    for _ in 0..6 {
        for _ in 0..5 {
            let asked = desk
                .ask(reqwest::Method::GET, "/api/v1/calls")
                .bearer_auth("rw_wrong")
                .send();
            assert!(asked.await.unwrap().status().is_client_error());
        }
        desk.move_clock(std::time::Duration::from_secs(3_600));
    }
    desk.alarms.look().unwrap();
    let alarms = desk.read("/api/v1/alarms").await;
    assert_eq!(alarms["alarms"][0]["watch"], "sign-ins", "{alarms}");
    desk.close().await.unwrap();
}
