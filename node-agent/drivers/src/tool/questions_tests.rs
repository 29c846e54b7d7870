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
        let under_way = Arc::<UnderWay>::default();
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
    let under_way = Arc::<UnderWay>::default();
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
    let under_way = Arc::<UnderWay>::default();
    let (waits, heard) = who_says(Said::Yes);
    let question = asked("Really?", &json!({}));
    assert_eq!(under_way.ask(&question, None).await, None);
    let one = under_way.begin(&RequestId::Number(1), "depot.empty", &waits);
    let two = under_way.begin(&RequestId::Number(2), "depot.fill", &waits);
    assert_eq!(under_way.ask(&question, None).await, None, "whose is it?");
    let origin = InboundStreamOrigin::OutboundRequest(RequestId::Number(9));
    assert_eq!(under_way.ask(&question, Some(&origin)).await, None);
    assert!(heard.lock().is_empty());
    let origin = InboundStreamOrigin::OutboundRequest(RequestId::Number(2));
    assert!(under_way.ask(&question, Some(&origin)).await.is_some());
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
async fn a_server_has_so_many_questions_open_and_no_more() {
    let under_way = Arc::<UnderWay>::default();
    let waits = Waits {
        asks: Arc::new(|_| Box::pin(std::future::pending())),
        ..Waits::nobody()
    };
    let _begun = under_way.begin(&RequestId::Number(1), "depot.empty", &waits);
    let question = asked("Really?", &json!({}));
    let ask = || Box::pin(under_way.ask(&question, None));
    let mut open: Vec<_> = (0..OPEN).map(|_| ask()).collect();
    for asking in &mut open {
        assert!(asking.as_mut().now_or_never().is_none());
    }
    assert_eq!(ask().now_or_never(), Some(None));
    open.pop();
    assert!(ask().now_or_never().is_none());
}

#[tokio::test]
async fn a_question_that_is_quicker_than_its_call_waits_for_it() {
    let under_way = Arc::<UnderWay>::default();
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
