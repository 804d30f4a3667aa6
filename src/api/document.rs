//! The document of the API made whole: what every operation may answer beside what it says of itself.

use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Content, ContentBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder};

use super::limits::KEY_MAX;

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
const BODY: &str = "ProblemBody";

/// Adds the answers of the guards to every operation that does not speak of them, and has every problem in the form it
/// is sent in (RFC 9457 §3). `is_guarded`: whoever asks has to be signed in.
pub(super) fn complete(document: &mut OpenApi, is_guarded: bool) {
    for (route, path) in &mut document.paths.paths {
        let operations = [
            ("get", &mut path.get),
            ("put", &mut path.put),
            ("post", &mut path.post),
            ("delete", &mut path.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(operation_id(method, route));
            }
        }
        if let Some(post) = path.post.as_mut().filter(|_| is_guarded) {
            take_keys(post);
        }
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete];
        for operation in operations.into_iter().flatten() {
            complete_operation(operation, is_guarded);
        }
    }
}

/// `post_policies_number_activate`: one name for each, which programs that are generated from the document call them by.
fn operation_id(method: &str, route: &str) -> String {
    let route = route.strip_prefix("/api/v1").unwrap_or(route);
    let words = route
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words.fold(method.to_string(), |name, word| format!("{name}_{word}"))
}

/// What `repeats` makes of a POST.
fn take_keys(operation: &mut Operation) {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(KEY_MAX));
    let key = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Sent again with it within an hour, the request is done once and answered as before",
        ))
        .schema(Some(text));
    let parameters = operation.parameters.get_or_insert_default();
    parameters.push(RefOr::T(key.build()));
    for (status, description) in [
        ("400", "Not an Idempotency-Key"),
        ("409", "The same request is being answered"),
        ("422", "The Idempotency-Key was sent with another request"),
    ] {
        let responses = &mut operation.responses.responses;
        if !responses.contains_key(status) {
            responses.insert(status.into(), problem(description).into());
        }
    }
}

fn problem(description: &str) -> Response {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(BODY)));
    ResponseBuilder::new()
        .description(description)
        .content(PROBLEM, problem.build())
        .build()
}

fn complete_operation(operation: &mut Operation, is_guarded: bool) {
    let body = match &operation.request_body {
        Some(RefOr::T(body)) => Some(&body.content),
        _ => None,
    };
    let answers = [
        (is_guarded, "401", "Not signed in"),
        (is_guarded, "403", "None of your roles may"),
        (body.is_some(), "413", "The body is too long"),
        (
            body.is_some_and(|kinds| kinds.contains_key(JSON)),
            "415",
            "The body is not application/json",
        ),
        (true, "421", "The host name is not ours"),
        (
            is_guarded,
            "429",
            "Too many requests, or wrong credentials: wait as long as Retry-After says",
        ),
        (true, "503", "Too busy to answer in time"),
    ];
    let responses = &mut operation.responses.responses;
    for (is_possible, status, description) in answers {
        if is_possible && !responses.contains_key(status) {
            responses.insert(status.into(), problem(description).into());
        }
    }
    for response in responses.values_mut() {
        if let RefOr::T(response) = response
            && response.content.get(JSON).is_some_and(is_problem)
            && let Some(problem) = response.content.shift_remove(JSON)
        {
            response.content.insert(PROBLEM.into(), problem);
        }
    }
}

fn is_problem(content: &RefOr<Content>) -> bool {
    matches!(content, RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) if schema.ref_location.ends_with(BODY))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let document: Value = serde_json::from_str(&crate::api::openapi()).unwrap();
        let mut names = std::collections::BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_string()), "{method} {path}: {name}");
            }
        }
        assert!(names.contains("post_policies_number_activate") && names.contains("get_healthz"));
    }

    #[test]
    fn every_problem_is_said_in_the_form_it_is_sent_in() {
        let document: Value = serde_json::from_str(&crate::api::openapi()).unwrap();
        let mut problems = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap();
                assert!(
                    responses.contains_key("421") && responses.contains_key("503"),
                    "{method} {path}"
                );
                let is_of_json = !operation["requestBody"]["content"]["application/json"].is_null();
                assert!(!is_of_json || responses.contains_key("415"), "{method} {path}");
                for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                    let kinds: Vec<&String> = response["content"].as_object().unwrap().keys().collect();
                    assert_eq!(kinds, ["application/problem+json"], "{method} {path} {status}");
                    problems += 1;
                }
            }
        }
        assert!(problems > 200, "{problems}");
    }
}
