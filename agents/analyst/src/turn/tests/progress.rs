//! What is told on the way.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::node::{Node, run};
use crate::profile::Pass;
use crate::turn::progress::Progress;

#[test]
fn progress_is_told_at_most_once_a_second() {
    let node = Node::new(&[]);
    let progress = Progress::new(Rc::<Node>::clone(&node), "big.csv");
    progress.begin(Pass::Learning);
    // Later than what the program's own clock said at the beginning.
    let begun = Instant::now();
    for i in 1..=100 {
        let now = begun + Duration::from_secs(3600) + Duration::from_millis(100 * i);
        progress.heard_at(now, i, 100);
    }
    let said = &node.0.borrow().said;
    assert_eq!(said.len(), 11, "{said:?}");
    assert!(
        said[1].ends_with("(1 %)") && said[10].ends_with("(91 %)"),
        "{said:?}"
    );
}

#[test]
fn what_is_left_out_is_a_notice() {
    let text = format!(
        "name,kg\nx,1\ny,2,3\nz,3\nu,4\nv,lost\n{}",
        "w,5\n".repeat(20)
    );
    let node = Node::new(&[("a.csv", text.as_bytes())]);
    run(&node, "", &["a.csv"]).unwrap();
    let want = "not all of a.csv is in the figures: 1 row has more cells than there are columns (first on line 3): what is \
                beyond the last column was not read; kg: 1 cell is no number (line 6: \"lost\"): left out";
    assert_eq!(node.0.borrow().left, [want]);
}
