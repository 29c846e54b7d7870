//! One question for a name, answered. Pure: bytes in, bytes out.
//!
//! Nothing of what is asked goes anywhere: a name that is granted has an address that stands for it, and one that is not
//! does not exist here, however much is written into it.

use std::net::Ipv4Addr;

use simple_dns::{
    CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE,
    rdata::RData,
};

use super::names::{Known, Names};

/// The head of a message (RFC 1035 §4.1.1).
const HEAD: usize = 12;
/// How long an answer counts, in seconds. An address stands for its name for the whole run.
const SECONDS: u32 = 60;

/// What a question comes to.
#[derive(Debug)]
pub(super) struct Answer {
    /// What is sent back.
    pub(super) bytes: Vec<u8>,
    /// A name that was refused, and is to be recorded.
    pub(super) refused: Option<String>,
}

/// Answers; `None` for what is no question, and gets none.
pub(super) fn answer(asked: &[u8], names: &mut Names) -> Option<Answer> {
    let counts = asked.get(4..HEAD)?;
    // One question, and at most what a resolver says of itself (RFC 6891): nothing else is read at all.
    let [0, one, 0, 0, 0, 0, 0, 0 | 1] = *counts else {
        return failed(asked, RCODE::FormatError);
    };
    if one != 1 {
        return failed(asked, RCODE::FormatError);
    }
    let Ok(query) = Packet::parse(asked) else {
        return failed(asked, RCODE::FormatError);
    };
    if query.has_flags(PacketFlag::RESPONSE) {
        return None;
    }
    if query.opcode() != OPCODE::StandardQuery {
        return failed(asked, RCODE::NotImplemented);
    }
    let question = query.questions.first()?;
    let mut reply = Packet::new_reply(query.id());
    reply.set_flags(PacketFlag::AUTHORITATIVE_ANSWER | PacketFlag::RECURSION_AVAILABLE);
    if query.has_flags(PacketFlag::RECURSION_DESIRED) {
        reply.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    reply.questions.push(question.clone());
    let mut refused = None;
    let known = (question.qclass == QCLASS::CLASS(CLASS::IN))
        .then(|| spelled(&question.qname).map(|name| (names.look_up(&name), name)));
    match known {
        None => *reply.rcode_mut() = RCODE::Refused,
        // Bytes that no name of a host has.
        Some(None) => *reply.rcode_mut() = RCODE::NameError,
        Some(Some((Known::Address(address), _))) => reply.answers.extend(record(question, address)),
        Some(Some((Known::Refused { new }, name))) => {
            *reply.rcode_mut() = RCODE::NameError;
            refused = new.then_some(name);
        }
        Some(Some((Known::Full, _))) => *reply.rcode_mut() = RCODE::ServerFailure,
    }
    let bytes = reply.build_bytes_vec_compressed().ok()?;
    Some(Answer { bytes, refused })
}

/// The address, where it is asked for: of version six there is none, and of other kinds nothing is known.
fn record<'a>(question: &Question<'a>, address: Ipv4Addr) -> Option<ResourceRecord<'a>> {
    let wanted = matches!(question.qtype, QTYPE::TYPE(TYPE::A) | QTYPE::ANY);
    let record = RData::A(address.into());
    wanted.then(|| ResourceRecord::new(question.qname.clone(), CLASS::IN, SECONDS, record))
}

/// A name as grants have it, where a host can have it.
fn spelled(name: &Name<'_>) -> Option<String> {
    let mut spelled = String::new();
    for label in name.get_labels() {
        let label = std::str::from_utf8(label.as_ref()).ok()?;
        let plain = |it: u8| it.is_ascii_alphanumeric() || b"-_".contains(&it);
        if !label.bytes().all(plain) {
            return None;
        }
        if !spelled.is_empty() {
            spelled.push('.');
        }
        spelled.push_str(&label.to_ascii_lowercase());
    }
    Some(spelled)
}

/// What went wrong, in answer to what has a head at least.
fn failed(asked: &[u8], code: RCODE) -> Option<Answer> {
    let id = u16::from_be_bytes([*asked.first()?, *asked.get(1)?]);
    if asked.get(2)? & 0x80 != 0 {
        return None;
    }
    let mut reply = Packet::new_reply(id);
    *reply.rcode_mut() = code;
    let bytes = reply.build_bytes_vec().ok()?;
    Some(Answer {
        bytes,
        refused: None,
    })
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
