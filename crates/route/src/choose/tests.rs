//! Which agent is chosen for which question, and when none is.

#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

fn agent(name: &str, description: &str, try_asking: &[&str]) -> Agent {
    Agent {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        description: Some(description.to_owned()),
        try_asking: try_asking.iter().map(|&it| it.to_owned()).collect(),
        ..Agent::default()
    }
}

/// The shipped agents, as they describe themselves.
fn shipped() -> Vec<Agent> {
    vec![
        agent(
            "analyst",
            "Reads a table and says what is in it",
            &["What do you know about earlier tables?"],
        ),
        agent(
            "jarvis",
            "Helps with your day",
            &["What can you help me with?"],
        ),
        agent(
            "librarian",
            "Answers from your documents, and says where it stands",
            &["How do I map a mount?", "What is an AgentInstance?"],
        ),
        agent("notebook", "Keeps notes, counts lines, calls a tool", &[]),
    ]
}

fn chosen(question: &str, candidates: &[Agent]) -> Match {
    match choose(question, candidates) {
        Choice::One(chosen) => chosen,
        Choice::Undecided(several) => panic!("{question}: {several:#?}"),
    }
}

#[test]
fn a_question_goes_to_the_agent_that_says_it_is_for_it() {
    for (question, name) in [
        ("Which outliers are in this table?", "analyst"),
        ("what do my TABLES say?", "analyst"),
        ("Where in my documents is the warranty?", "librarian"),
        ("Look it up in the document", "librarian"),
        ("how are mounts mapped?", "librarian"),
        ("What is an agent instance?", "librarian"),
        ("What is an AgentInstance?", "librarian"),
        ("Help me plan my day", "jarvis"),
        ("What can you help me with?", "jarvis"),
        ("Please ask the librarian about dogs", "librarian"),
        ("Make a note of it", "notebook"),
        ("How many lines are there?", "notebook"),
    ] {
        let chosen = chosen(question, &shipped());
        assert_eq!(chosen.name, name, "{question}: {chosen:#?}");
        assert!(chosen.confidence >= CONFIDENT, "{question}: {chosen:#?}");
        assert!(!chosen.because.is_empty(), "{question}");
    }
}

#[test]
fn where_nothing_or_not_enough_speaks_for_one_it_is_asked_back() {
    for (question, first) in [
        ("A name for a cat?", "analyst"),
        ("", "analyst"),
        ("Eine Frage in einer anderen Sprache", "analyst"),
        ("Is it in the table or in the documents?", "analyst"),
        // A word that one of them has by accident.
        ("Which tablet should I buy for my mother?", "analyst"),
        ("Who scored on that rainy day in Manchester?", "jarvis"),
    ] {
        let Choice::Undecided(Undecided { candidates: named }) = choose(question, &shipped())
        else {
            panic!("{question} was decided");
        };
        assert_eq!(named.len(), 4, "{question}");
        assert_eq!(named[0].name, first, "{question}: {named:#?}");
        assert!(named[0].confidence < CONFIDENT, "{question}: {named:#?}");
    }
    let nobody = Undecided::default();
    assert_eq!(choose("Who is there?", &[]), Choice::Undecided(nobody));
    let many: Vec<_> = (0..20)
        .map(|at| agent(&format!("a{at:02}"), "", &[]))
        .collect();
    let Choice::Undecided(Undecided { candidates: named }) = choose("Who?", &many) else {
        panic!("it was decided");
    };
    assert_eq!(named.len(), NAMED);
}

#[test]
fn of_a_long_question_its_end_is_compared() {
    let before = "mount ".repeat(COMPARED);
    let shipped = shipped();
    let Choice::One(at_end) = choose(&format!("{before}{}table", " ".repeat(COMPARED)), &shipped)
    else {
        panic!("it was not decided");
    };
    assert_eq!(at_end.name, "analyst");
    // Cut between letters.
    let letters = "ё".repeat(COMPARED) + "x";
    assert!(matches!(choose(&letters, &shipped), Choice::Undecided(_)));
}

#[test]
fn it_is_said_which_words_were_found_where() {
    let chosen = chosen("Which outliers are in these tables?", &shipped());
    let because = chosen.because.iter();
    let because: Vec<_> = because
        .map(|it| {
            (
                it.word.as_str(),
                it.found.as_str(),
                it.fields.iter().copied().collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(because, [("tables", "table", vec![Field::Description])]);
}

#[test]
fn languages_without_spaces_and_with_other_letters_are_matched_as_well() {
    let agents = [
        agent("analyst", "表を読み取り、内容を要約します", &[]),
        agent("librarian", "文書から回答します", &[]),
        agent("katib", "نامه‌ها و یادداشت‌ها را می‌نویسد", &[]),
    ];
    assert_eq!(
        chosen("この文書のどこにありますか", &agents).name,
        "librarian"
    );
    assert_eq!(chosen("内容の要約をください", &agents).name, "analyst");
    assert_eq!(chosen("یادداشت من را بنویس", &agents).name, "katib");
}

#[test]
fn the_only_agent_that_can_be_asked_is_asked() {
    let only = [agent("jarvis", "Helps with your day", &[])];
    let chosen = chosen("A name for a cat?", &only);
    assert_eq!((chosen.name.as_str(), chosen.confidence), ("jarvis", 1.0));
    assert!(chosen.because.is_empty());
}

#[test]
fn labels_and_tools_speak_too_and_the_order_of_agents_does_not() {
    let mut agents = shipped();
    agents[1].labels = [("team".to_owned(), "billing".to_owned())].into();
    agents[3].tools = vec!["weather".to_owned()];
    for _ in 0..2 {
        assert_eq!(chosen("a question of billing", &agents).name, "jarvis");
        assert_eq!(chosen("How is the weather?", &agents).name, "notebook");
        agents.reverse();
    }
    let question = "tables and documents and notes of the day";
    let turned: Vec<_> = shipped().into_iter().rev().collect();
    assert_eq!(choose(question, &shipped()), choose(question, &turned));
}
