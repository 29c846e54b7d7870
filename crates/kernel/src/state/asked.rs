//! What people were asked, and what they said, as it is read.

use super::*;

impl State {
    /// All calls that somebody is asked about, or was, by number.
    pub fn approvals(&self) -> impl Iterator<Item = (ApprovalId, &ApprovalRow)> {
        self.approvals.iter().map(|(id, row)| (*id, row))
    }

    /// One of them.
    #[must_use]
    pub fn approval(&self, approval: ApprovalId) -> Option<&ApprovalRow> {
        self.approvals.get(&approval)
    }

    /// Words that count beyond their turn, by the approval that they were given for. One that has ended may be among
    /// them.
    pub fn standing_words(&self) -> impl Iterator<Item = (ApprovalId, &StandingWord)> {
        self.words.iter().map(|(id, word)| (*id, word))
    }

    /// What people said of a call, the newest word first; that nobody said anything in time counts only where no yes
    /// does. `None`: nothing yet.
    pub(crate) fn said_of(
        &self,
        it: Request<'_>,
        account: AccountId,
        profile: &Profile,
        today: Date,
    ) -> Option<Said> {
        let of_turn = self.approvals_of(it.turn).rev();
        let mut too_late = None;
        for said in of_turn.filter_map(|(_, row)| row.says(it)) {
            match said {
                Said::TooLate => too_late = Some(said),
                Said::Yes | Said::No { .. } => return Some(said),
            }
        }
        let standing = || {
            let stands = |word: &&StandingWord| {
                word.account == account
                    && word.right() == it.right()
                    && word.until > today
                    && word.is_of(profile)
            };
            self.words.values().find(stands).map(|_| Said::Yes)
        };
        standing().or(too_late)
    }

    /// Whether somebody is asked about a call of this turn.
    pub(crate) fn is_asking(&self, turn: TurnId) -> bool {
        let mut rows = self.approvals_of(turn);
        rows.any(|(_, row)| row.is_pending())
    }

    /// Whether a turn waits for a word: of its own, or of one that it waits for.
    pub(crate) fn awaits_a_word(&self, turn: TurnId) -> bool {
        let row = self.turns.get(&turn);
        let mut behind = row.into_iter().flat_map(|row| &row.behind);
        self.is_asking(turn) || behind.any(|it| self.is_parked(*it))
    }

    pub(crate) fn is_parked(&self, turn: TurnId) -> bool {
        let row = self.turns.get(&turn);
        row.is_some_and(|row| row.phase == Phase::Parked)
    }

    /// What people were asked about a turn that has not ended. Most ask nothing, and cost nothing.
    pub(crate) fn approvals_of(
        &self,
        turn: TurnId,
    ) -> impl DoubleEndedIterator<Item = (ApprovalId, &ApprovalRow)> {
        let asked = self.turns.get(&turn).is_some_and(|row| row.asked > 0);
        let rows = asked.then_some(&self.approvals).into_iter().flatten();
        let rows = rows.filter(move |(_, row)| row.turn == turn);
        rows.map(|(id, row)| (*id, row))
    }
}
