//! What is asked of a person, what is declined, and in the name of which call.
#![allow(clippy::unwrap_used)]
use futures::FutureExt as _;
use serde_json::json;

use super::*;

fn asked(message: &str, properties: &Value) -> ElicitRequestParams {
    let schema = json!({"type": "object", "properties": properties});
    serde_json::from_value(json!({"message": message, "requestedSchema": schema})).unwrap()
}

/// Whoever says that to each question, with what was asked and told.
fn who_says(said: Said) -> (Waits, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let (told, asked) = (Arc::clone(&heard), Arc::clone(&heard));
    let waits = Waits {
        told: Arc::new(move |text| told.lock().push(text)),
        asks: Arc::new(move |question| {
            let line = format!(
                "{}? {} {}",
                question.operation, question.message, question.sends
            );
            asked.lock().push(line);
            Box::pin(std::future::ready(said))
        }),
    };
    (waits, heard)
}

#[tokio::test]
async fn a_yes_or_a_no_is_asked_in_the_name_of_its_call() {
    let boolean = json!({"sure": {"type": "boolean"}});
    for (said, properties, answer) in [
        (
            Said::Yes,
            json!({}),
            json!({"action": "accept", "content": {}}),
        ),
        (
            Said::Yes,
            boolean.clone(),
            json!({"action": "accept", "content": {"sure": true}}),
        ),
        (
            Said::Yes,
            json!({"to": {"type": "string", "default": "ann"}, "copy": {"type": "boolean", "default": false}}),
            json!({"action": "accept", "content": {"to": "ann", "copy": false}}),
        ),
        (Said::No, boolean.clone(), json!({"action": "decline"})),
        (Said::Nothing, boolean, json!({"action": "cancel"})),
    ] {
        let under_way = UnderWay::new(true);
        let (waits, heard) = who_says(said);
        let id = RequestId::Number(3);
        let _begun = under_way.begin(&id, "depot.empty", &waits);
        let origin = InboundStreamOrigin::OutboundRequest(id);
        let told = under_way
            .ask(&asked("Really?", &properties), Some(&origin))
            .await;
        assert_eq!(serde_json::to_value(told.unwrap()).unwrap(), answer);
        let sends = match properties.as_object().unwrap().len() {
            0 => "{}",
            1 => "{\"sure\":true}",
            _ => "{\"copy\":false,\"to\":\"ann\"}",
        };
        assert_eq!(*heard.lock(), [format!("depot.empty? Really? {sends}")]);
    }
}

#[tokio::test]
async fn what_is_no_yes_or_no_is_declined_by_name_and_told_once() {
    let under_way = UnderWay::new(true);
    let (waits, heard) = who_says(Said::Yes);
    let _begun = under_way.begin(&RequestId::Number(3), "depot.empty", &waits);
    let page = json!({"mode": "url", "message": "Log in", "url": "https://a.example", "elicitationId": "1"});
    for wrong in [
        asked("Which depot?", &json!({"depot": {"type": "string"}})),
        asked(
            "Two?",
            &json!({"a": {"type": "boolean"}, "b": {"type": "boolean"}}),
        ),
        asked(&"a".repeat(LONGEST + 1), &json!({})),
        serde_json::from_value(page).unwrap(),
    ] {
        let told = under_way.ask(&wrong, None).await.unwrap();
        assert_eq!(told.action, ElicitationAction::Decline);
    }
    let told = "depot.empty: its server asks for more than a yes or a no: declined";
    assert_eq!(*heard.lock(), [told]);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_is_of_no_known_call_is_asked_of_nobody() {
    let under_way = UnderWay::new(true);
    let (waits, heard) = who_says(Said::Yes);
    let question = asked("Really?", &json!({}));
    assert_eq!(under_way.ask(&question, None).await, None);
    let one = under_way.begin(&RequestId::Number(1), "depot.empty", &waits);
    let mut two = under_way.begin(&RequestId::Number(2), "depot.fill", &waits);
    assert_eq!(under_way.ask(&question, None).await, None, "whose is it?");
    let origin = InboundStreamOrigin::OutboundRequest(RequestId::Number(9));
    assert_eq!(under_way.ask(&question, Some(&origin)).await, None);
    assert!(heard.lock().is_empty());
    let origin = InboundStreamOrigin::OutboundRequest(RequestId::Number(2));
    assert!(under_way.ask(&question, Some(&origin)).await.is_some());
    two.answered = true;
    drop(two);
    assert!(under_way.ask(&question, None).await.is_some());
    assert_eq!(
        *heard.lock(),
        ["depot.fill? Really? {}", "depot.empty? Really? {}"]
    );
    drop(one);
    assert!(under_way.calls.lock().is_empty());
}

#[tokio::test]
async fn what_a_field_says_of_itself_is_shown_with_what_a_yes_sends() {
    let under_way = UnderWay::new(true);
    let shown = Arc::<Mutex<Vec<Question>>>::default();
    let kept = Arc::clone(&shown);
    let waits = Waits {
        asks: Arc::new(move |question| {
            kept.lock().push(question);
            Box::pin(std::future::ready(Said::Yes))
        }),
        ..Waits::nobody()
    };
    let _begun = under_way.begin(&RequestId::Number(1), "depot.empty", &waits);
    let field =
        json!({"type": "boolean", "title": "Delete all backups", "description": "For ever."});
    let asking = asked("Continue?", &json!({"also": field}));
    assert!(under_way.ask(&asking, None).await.is_some());
    let question = shown.lock().pop().unwrap();
    assert_eq!(question.form["properties"]["also"], field);
    assert_eq!(question.sends, json!({"also": true}));
    let long = json!({"type": "boolean", "description": "a".repeat(LONGEST)});
    let asking = asked("Continue?", &json!({"also": long}));
    let told = under_way.ask(&asking, None).await.unwrap();
    assert_eq!(told.action, ElicitationAction::Decline);
    assert!(shown.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_question_of_no_call_is_not_the_only_calls() {
    let under_way = UnderWay::new(true);
    let (waits, heard) = who_says(Said::Yes);
    let _begun = under_way.begin(&RequestId::Number(1), "depot.empty", &waits);
    let nobodys = Some(&InboundStreamOrigin::Unassociated);
    assert_eq!(
        under_way.ask(&asked("Really?", &json!({})), nobodys).await,
        None
    );
    assert!(heard.lock().is_empty());
}

fn requests(all: &Value) -> InputRequests {
    serde_json::from_value(all.clone()).unwrap()
}

#[tokio::test]
async fn nobody_is_asked_where_one_question_of_a_round_cannot_be() {
    let form =
        json!({"message": "Really?", "requestedSchema": {"type": "object", "properties": {}}});
    let form = json!({"method": "elicitation/create", "params": form});
    let roots = json!({"method": "roots/list"});
    let model =
        json!({"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}});
    let id = RequestId::Number(1);
    let tried = async |asks_people: bool, all: Value| {
        let under_way = UnderWay::new(asks_people);
        let (waits, heard) = who_says(Said::Yes);
        let _begun = under_way.begin(&id, "depot.empty", &waits);
        let told = under_way.answers(&id, &requests(&all)).await;
        (told.map(|it| json!(it)), heard.lock().len())
    };
    let (told, asked) = tried(true, json!({"a": form, "b": model})).await;
    assert!(told.unwrap_err().contains("a model") && asked == 0);
    let (told, asked) = tried(false, json!({"a": form})).await;
    assert!(told.unwrap_err().contains("asksPeople") && asked == 0);
    let (told, asked) = tried(true, json!({"a": form, "b": roots})).await;
    let told = told.unwrap();
    assert_eq!((&told["a"]["action"], asked), (&json!("accept"), 1));
    assert_eq!(told["b"], json!({"roots": []}));
}

#[tokio::test]
async fn a_server_has_so_many_questions_open_and_no_more() {
    let under_way = UnderWay::new(true);
    let waits = Waits {
        asks: Arc::new(|_| Box::pin(std::future::pending())),
        ..Waits::nobody()
    };
    let ids: Vec<_> = (0..=8).map(RequestId::Number).collect();
    assert_eq!(ids.len(), OPEN + 1);
    let begin = |id| under_way.begin(id, "depot.empty", &waits);
    let _begun: Vec<_> = ids.iter().map(begin).collect();
    let origins = ids.into_iter().map(InboundStreamOrigin::OutboundRequest);
    let origins: Vec<_> = origins.collect();
    let question = asked("Really?", &json!({}));
    let ask = |at: usize| Box::pin(under_way.ask(&question, Some(&origins[at])));
    let mut open: Vec<_> = (0..OPEN).map(ask).collect();
    for asking in &mut open {
        assert!(asking.as_mut().now_or_never().is_none());
    }
    assert_eq!(ask(OPEN).now_or_never(), Some(None));
    open.pop();
    assert!(ask(OPEN).now_or_never().is_none());
    let second = ask(0).now_or_never().unwrap().unwrap();
    assert_eq!(second.action, ElicitationAction::Cancel, "one of a call");
}

#[tokio::test(start_paused = true)]
async fn a_question_may_be_about_a_call_that_was_given_up() {
    let under_way = UnderWay::new(true);
    let (waits, heard) = who_says(Said::Yes);
    drop(under_way.begin(&RequestId::Number(1), "depot.empty", &waits));
    let _other = under_way.begin(&RequestId::Number(2), "depot.fill", &waits);
    let question = asked("Really?", &json!({}));
    assert_eq!(under_way.ask(&question, None).await, None);
    assert!(heard.lock().is_empty());
    let origin = InboundStreamOrigin::OutboundRequest(RequestId::Number(2));
    assert!(under_way.ask(&question, Some(&origin)).await.is_some());
}

#[tokio::test]
async fn a_question_that_is_quicker_than_its_call_waits_for_it() {
    let under_way = UnderWay::new(true);
    let (waits, _) = who_says(Said::Yes);
    let origin = InboundStreamOrigin::OutboundRequest(RequestId::Number(1));
    let question = asked("Really?", &json!({}));
    let asking = under_way.ask(&question, Some(&origin));
    let begin = async {
        tokio::task::yield_now().await;
        under_way.begin(&RequestId::Number(1), "depot.empty", &waits)
    };
    let (told, _begun) = tokio::join!(asking, begin);
    assert_eq!(told.unwrap().action, ElicitationAction::Accept);
}
