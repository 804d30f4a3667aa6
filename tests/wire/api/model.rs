//! The model that listens, in its maker's figures.

use super::Desk;

#[tokio::test]
async fn the_model_says_how_often_it_is_wrong() {
    let desk = Desk::open().await;
    let found = desk.read("/api/v1/model").await;
    let model = &found["model"];
    let revision = model["revision"].as_str().expect("a revision");
    assert!(revision.starts_with("default@"), "{found}");
    assert_eq!(model["has_second_opinion"], true);
    assert!(model["card_problem"].is_null() && found["trial"].is_null());
    let lines = model["card"]["lines"].as_array().expect("lines");
    assert_eq!(lines[0]["name"], "mu-law");
    for line in lines {
        let called = |who: &str| {
            line["both"][format!("{who}_called_spoof")]
                .as_f64()
                .expect("a share")
        };
        assert!(called("synthetic") >= called("real"), "worse than a coin: {line}");
    }
    assert!(model["card"]["real"]["clips"].as_u64() > Some(1_000));
}
