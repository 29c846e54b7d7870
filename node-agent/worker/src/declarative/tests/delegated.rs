//! Turns that another agent called, and of what it lets them do.

use aion_abi::boot::AgentTool;

use super::*;

/// As where its caller delegates `memory.recall`, and nothing else.
fn recalls_only() -> Declarative {
    Declarative {
        has_model: true,
        remembers_nothing: true,
        documents_as_known: true,
        ..librarian()
    }
}

#[tokio::test]
async fn one_that_may_only_recall_answers_from_what_is_known_and_changes_nothing() {
    let kernel = Kernel::default();
    kernel.file("tide.md", "High water is at ten.", 1);
    run_again(&kernel, "water").await;
    let known = kernel.items.borrow().len();
    kernel.file("tide.md", "High water is at eleven.", 2);
    kernel.said.borrow_mut().clear();
    kernel.calls.borrow_mut().clear();
    kernel.model_says("At ten.", Vec::new());
    run(&recalls_only(), &ask("water"), &kernel).await.unwrap();
    assert_eq!(kernel.final_text(), "At ten.");
    let asked = format!("{:?}", kernel.asked.borrow().last());
    assert!(asked.contains("High water is at ten."), "{asked}");
    for denied in [
        Syscall::MemoryRemember,
        Syscall::MemoryForget,
        Syscall::FsList,
        Syscall::FsRead,
    ] {
        assert_eq!(kernel.count(denied), 0, "{denied:?}");
    }
    assert_eq!(kernel.items.borrow().len(), known);
    let offered = kernel.asked.borrow();
    let offered: Vec<_> = offered[0].tools.iter().map(|it| it.name.as_str()).collect();
    assert!(offered.contains(&"memory_recall") && !offered.contains(&"memory_remember"));
}

#[tokio::test]
async fn a_question_to_another_agent_that_was_interrupted_is_not_asked_anew() {
    let kernel = Kernel::default();
    let asked = ToolUse {
        id: "1".to_owned(),
        name: "ask_clerk".to_owned(),
        arguments: r#"{"input": "when?"}"#.to_owned(),
    };
    kernel.model_says("", vec![asked]);
    let program = Declarative {
        has_model: true,
        agents: vec![AgentTool {
            name: "clerk".to_owned(),
            description: String::new(),
        }],
        max_steps: 4,
        ..Declarative::default()
    };
    let problem = run(&program, &ask("when?"), &kernel).await.unwrap_err();
    assert_eq!(problem.code, Code::Cancelled);
    assert_eq!(kernel.count(Syscall::AgentAsk), 1);
}
