//! Tools and a prompt that ask the client by ending with questions, and go on when they are called again with the answers
//! (revision 2026-07-28). What they must remember in between travels with the client, sealed.

use rmcp::ErrorData;
use rmcp::model::{ClientCapabilities, InputRequiredResult, InputResponses, RequestStateCodec};
use serde_json::{Value, json};

use crate::results::of;

/// How a round ends.
pub enum Round {
    /// With questions.
    Asks(InputRequiredResult),
    /// With this text.
    Says(String),
}

/// What a call brings.
pub struct Brought<'a> {
    /// The client's answers.
    pub answers: Option<&'a InputResponses>,
    /// What was sealed in the round before.
    pub state: Option<&'a str>,
    /// What the client can be asked.
    pub can: ClientCapabilities,
}

impl Brought<'_> {
    /// An answer, if it has the shape of one.
    pub fn answer(&self, key: &str) -> Option<&Value> {
        self.answers?.get(key).filter(|answer| answer.is_object())
    }

    /// The number of the round before; 0 in the first.
    fn round(&self, seals: &RequestStateCodec) -> Result<u64, ErrorData> {
        let broken =
            |_| ErrorData::invalid_params("requestState was changed on its way, or is not of this server", None);
        self.state.map_or(Ok(0), |sealed| seals.open_json(sealed).map_err(broken))
    }
}

/// A form with one field.
pub fn form(message: &str, field: &str, kind: &str) -> Value {
    let schema = json!({"type": "object", "properties": {field: {"type": kind}}, "required": [field]});
    json!({"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}})
}

fn sampling(prompt: &str) -> Value {
    let messages = [json!({"role": "user", "content": {"type": "text", "text": prompt}})];
    json!({"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": 100}})
}

fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

/// Ask these, by their keys.
pub fn ask(questions: Value) -> InputRequiredResult {
    of(json!({"resultType": "input_required", "inputRequests": questions}))
}

/// Ask, and remember the number of this round.
fn ask_in(round: u64, questions: Value, seals: &RequestStateCodec) -> Result<Round, ErrorData> {
    let sealed = seals.seal_json(&round).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(Round::Asks(of(json!({"resultType": "input_required", "inputRequests": questions, "requestState": sealed}))))
}

/// One round of a tool; `None` for a name that is none of these.
///
/// # Errors
/// Where the state was tampered with.
pub fn tool(name: &str, brought: &Brought, seals: &RequestStateCodec) -> Result<Option<Round>, ErrorData> {
    let round = brought.round(seals)?;
    let name_form = || form("What is your name?", "name", "string");
    let ended = match name.strip_prefix("test_input_required_result_").unwrap_or(name) {
        "test_streaming_elicitation" => Round::Asks(ask(json!({"value": form("Which value?", "value", "string")}))),
        "elicitation" => match brought.answer("user_name") {
            Some(answer) => Round::Says(format!("Hello, {}!", answer["content"]["name"].as_str().unwrap_or("you"))),
            None => Round::Asks(ask(json!({"user_name": name_form()}))),
        },
        "sampling" => match brought.answer("capital_question") {
            Some(answer) => Round::Says(format!("The client's model says: {}", answer["content"])),
            None => Round::Asks(ask(json!({"capital_question": sampling("What is the capital of France?")}))),
        },
        "list_roots" => match brought.answer("client_roots") {
            Some(answer) => Round::Says(format!("The client's roots: {}", answer["roots"])),
            None => Round::Asks(ask(json!({"client_roots": roots()}))),
        },
        "request_state" | "tampered_state" => match round {
            0 => ask_in(1, json!({"confirm": form("Please confirm", "ok", "boolean")}), seals)?,
            _ => Round::Says("state-ok".to_owned()),
        },
        "multiple_inputs" => {
            let keys = ["user_name", "greeting", "client_roots"];
            if round == 1 && keys.iter().all(|key| brought.answer(key).is_some()) {
                Round::Says("All answers came.".to_owned())
            } else {
                let [first, second, third] = keys;
                let questions = json!({first: name_form(), second: sampling("Generate a greeting"), third: roots()});
                ask_in(1, questions, seals)?
            }
        }
        "multi_round" => match round {
            0 => ask_in(1, json!({"step1": form("Step 1: What is your name?", "name", "string")}), seals)?,
            1 => ask_in(2, json!({"step2": form("Step 2: What is your favorite color?", "color", "string")}), seals)?,
            _ => Round::Says("Both steps are done.".to_owned()),
        },
        "capabilities" => for_client(brought),
        _ => return Ok(None),
    };
    Ok(Some(ended))
}

/// Ask only what the client can be asked.
fn for_client(brought: &Brought) -> Round {
    let can = &brought.can;
    let all = [
        (can.elicitation.is_some(), "user_name", form("What is your name?", "name", "string")),
        (can.sampling.is_some(), "greeting", sampling("Generate a greeting")),
        (can.roots.is_some(), "client_roots", roots()),
    ];
    let questions: serde_json::Map<String, Value> =
        all.into_iter().filter(|(can, ..)| *can).map(|(_, key, question)| (key.to_owned(), question)).collect();
    if questions.is_empty() || brought.answers.is_some() {
        return Round::Says("The client was asked all that it can be.".to_owned());
    }
    Round::Asks(ask(Value::Object(questions)))
}

/// The prompt that asks.
pub fn prompt(brought: &Brought) -> Round {
    match brought.answer("user_context") {
        Some(answer) => Round::Says(format!("A prompt for {}", answer["content"]["context"])),
        None => {
            Round::Asks(ask(json!({"user_context": form("What context should the prompt use?", "context", "string")})))
        }
    }
}
