//! A passkey in a real browser, with a device that Chromium plays: it is made, signs in, and is nobody's any more once it is taken away.

use std::time::Duration;

use serde_json::{Value, json};

use crate::console::{press, submit, type_into};
use crate::support::browser::Browser;
use crate::support::gateway::Gateway;
use crate::support::{folder, free_port, free_ports, have};

const PATIENCE: Duration = Duration::from_secs(60);
const PASSWORD: &str = "twelve small owls";

fn gateway() -> (Gateway, String) {
    let folder = folder("gateway-passkeys");
    let (media, api) = (free_ports(40), free_port());
    let public = format!("http://localhost:{api}");
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n\
         [[trunk]]\nname = \"carrier\"\nfrom = [\"127.0.0.0/8\"]\n\
         [[queue]]\nname = \"front-desk\"\nnumbers = [\"*\"]\ntargets = [\"sip:desk@127.0.0.1:9\"]\n\
         [voice]\nmodel = \"off\"\n[media]\naddress = \"127.0.0.1\"\nports = \"{media}-{}\"\n\
         [store]\nurl = \"sqlite:ringward.db\"\n[api]\nlisten = \"127.0.0.1:{api}\"\npublic_url = {public:?}\n",
        media + 39,
    );
    let file = folder.join("ringward.toml");
    std::fs::write(&file, text).expect("the configuration is written");
    let gateway = Gateway::run(folder, &["serve", "--config", &file.display().to_string()]);
    (gateway, public)
}

fn audited(gateway: &Gateway) -> Vec<String> {
    let audit = gateway.get("/api/v1/audit");
    let entries = audit["entries"].as_array().expect("entries").iter();
    entries
        .map(|entry| format!("{} {}", entry["by"], entry["what"]).replace('"', ""))
        .collect()
}

/// What the page's own code hands over for a signature, kept instead of sent.
const SIGNATURE: &str = r#"
    const wanted = await (await fetch("/api/v1/session/passkey")).json();
    const octets = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
    const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
    const shown = await navigator.credentials.get({ publicKey: {
        rpId: wanted.rp_id, challenge: octets(CHALLENGE), userVerification: "required" } });
    const { response } = shown;
    const body = { id: text(shown.rawId), client_data: text(response.clientDataJSON),
        authenticator_data: text(response.authenticatorData), signature: text(response.signature) };
    const send = () => fetch("/api/v1/session/passkey", { method: "POST", body: JSON.stringify(body),
        headers: { "Content-Type": "application/json", "X-Ringward": "1" } });
    const statuses = [];
    for (let time = 0; time < 2; time += 1) statuses.push((await send()).status);
    return statuses;
"#;

#[test]
fn a_passkey_is_made_signs_in_and_is_taken_away_in_chromium() {
    if !have(&["chromium", "chromedriver"]) {
        return;
    }
    let folder = folder("console-passkeys");
    let (gateway, public) = gateway();
    let invited = json!({ "name": "rita", "person": "Rita Example", "roles": ["receptionist"] }).to_string();
    let (status, invited) = gateway.request("POST", "/api/v1/users", Some(&invited));
    assert_eq!(status, 201, "{invited}");
    let invited: Value = serde_json::from_str(&invited).expect("an invitation");
    let code = invited["code"].as_str().expect("a code");

    let browser = Browser::start(&folder, 1280, 900);
    browser.add_authenticator();
    browser.open(&format!("{public}/#invitation={code}"));
    browser.wait_for_text("set your password", PATIENCE);
    type_into(&browser, "new-password", PASSWORD);
    type_into(&browser, "new-again", PASSWORD);
    submit(&browser, "invitation-form");
    browser.wait_for_text("no call right now", PATIENCE);

    browser.open(&format!("{public}/account"));
    browser.wait_for_text("make a passkey", PATIENCE);
    // Somebody at a desk that was left open does not know the password.
    type_into(&browser, "passkey-name", "Desk key");
    type_into(&browser, "passkey-password", "twelve large owls");
    submit(&browser, "passkey-form");
    browser.wait_for_text("the password is wrong", PATIENCE);
    type_into(&browser, "passkey-password", PASSWORD);
    submit(&browser, "passkey-form");
    browser.wait_for_text("your passkey is made", PATIENCE);
    let page = browser.text();
    assert!(page.contains("Desk key") && page.contains("never"), "{page}");
    browser.screenshot(&folder.join("passkeys-account.png"));
    // The same device makes no second one.
    type_into(&browser, "passkey-name", "Desk key again");
    type_into(&browser, "passkey-password", PASSWORD);
    submit(&browser, "passkey-form");
    browser.wait_for_text("has a passkey of yours already", PATIENCE);

    press(&browser, "Sign out");
    browser.wait_for_text("sign in with a passkey", PATIENCE);
    browser.screenshot(&folder.join("passkeys-sign-in.png"));
    press(&browser, "Sign in with a passkey");
    browser.wait_for_text("no call right now", PATIENCE);
    let who = browser.eval("return fetch('/api/v1/session').then((answer) => answer.json())");
    assert_eq!(
        (&who["who"], &who["by"]),
        (&json!("rita"), &json!("session")),
        "{who}"
    );
    let said = audited(&gateway);
    assert!(said.contains(&"rita account passkey add".to_string()), "{said:?}");

    // A signature opens once; one of something that was never asked here opens nothing.
    let twice = browser.eval(&SIGNATURE.replace("CHALLENGE", "wanted.challenge"));
    assert_eq!(twice, json!([200, 401]));
    let of_nothing = browser.eval(&SIGNATURE.replace("CHALLENGE", "wanted.challenge.replace(/^./, 'z')"));
    assert_eq!(of_nothing, json!([401, 401]));

    browser.open(&format!("{public}/account"));
    browser.wait_for_text("desk key", PATIENCE);
    // It asks once more.
    press(&browser, "Remove");
    press(&browser, "Sure?");
    browser.wait_for_text("desk key is removed", PATIENCE);
    press(&browser, "Sign out");
    browser.wait_for_text("sign in with a passkey", PATIENCE);
    press(&browser, "Sign in with a passkey");
    browser.wait_for_text("opens nothing here", PATIENCE);
    let said = audited(&gateway);
    assert!(
        said.contains(&"rita account passkey remove".to_string()),
        "{said:?}"
    );
    // What was refused is an error of the browser's own log; of our pages there is none, and none of the policy of their content.
    let errors = browser.console_errors();
    let ours = errors
        .iter()
        .filter(|error| !error.contains("Failed to load resource"));
    assert_eq!(ours.count(), 0, "{errors:?}");
}

#[test]
fn where_a_gateway_has_no_name_there_are_no_passkeys_and_it_says_why() {
    let gateway = Gateway::start(&crate::support::gateway::Setup {
        name: "gateway-no-passkeys",
        targets: &["sip:desk@127.0.0.1:9".to_string()],
        queue: "",
        more: "[voice]\nmodel = \"off\"\n",
    });
    assert_eq!(gateway.get("/api/v1/session/ways")["passkeys"], false);
    let (status, said) = gateway.request("GET", "/api/v1/session/passkey", None);
    assert_eq!(status, 409, "{said}");
    assert!(said.contains("public_url needs a name"), "{said}");
    // A token is no account, wherever it is.
    let (status, said) = gateway.request("DELETE", "/api/v1/account/passkeys/none", None);
    assert_eq!(status, 409, "{said}");
}
