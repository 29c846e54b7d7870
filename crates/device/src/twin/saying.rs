//! What a device says: messages that the node reads as the values that they are made of.

use serde_json::{Map, Value as Json};

use super::{Said, Twin};
use crate::{
    shape::{Property, Source, What},
    template::Filler,
};

impl Twin {
    /// All that it says of itself, one message a topic.
    #[must_use]
    pub fn says(&self) -> Vec<Said> {
        let properties: Vec<_> = self.compiled.shape.properties.iter().collect();
        let mut said: Vec<Said> = Vec::new();
        for it in &properties {
            if let Some(source) = &it.source
                && !said.iter().any(|said| said.topic == self.place(source))
            {
                said.extend(self.says_on(&self.place(source)));
            }
        }
        said
    }

    /// The message that tells what a property is, with what else is told on its topic.
    #[must_use]
    pub fn says_what(&self, property: &str) -> Option<Said> {
        let (_, it) = self.compiled.shape.property(property)?;
        self.says_on(&self.place(it.source.as_ref()?))
    }

    /// The message on a topic: all of the payload is one value, or it is JSON with a value at each pointer.
    fn says_on(&self, topic: &str) -> Option<Said> {
        let (mut whole, mut at) = (None, Json::Null);
        for it in &self.compiled.shape.properties {
            let Some(source) = it.source.as_ref().filter(|it| self.place(it) == topic) else {
                continue;
            };
            let words = self.words(it)?;
            match &source.pointer {
                None => whole = Some(plain(&words)),
                Some(pointer) => put(&mut at, pointer, json(&words)),
            }
        }
        let payload = whole.unwrap_or_else(|| at.to_string()).into_bytes();
        let topic = topic.to_owned();
        Some(Said { topic, payload })
    }

    /// That it is there, or not, where it can say so.
    #[must_use]
    pub fn availability(&self, online: bool) -> Option<Said> {
        let it = self.compiled.shape.availability.as_ref()?;
        let (here, away) = it.words();
        let word = match online {
            true => here.unwrap_or("online"),
            false => away.unwrap_or("offline"),
        };
        Some(self.said_at(&it.source, word))
    }

    /// That it did a command, where it can say so.
    #[must_use]
    pub fn done(&self, command: &str) -> Option<Said> {
        let shape = &self.compiled.shape;
        let number = shape.commands.iter().position(|it| *it.name == *command)?;
        let equals = shape.commands[number].done.as_ref()?;
        let listen = shape.listens.iter().find_map(|listen| {
            let mut about = listen.about.iter();
            let about = about.find(|it| it.what == What::Done(number))?;
            Some((listen, about.pointer))
        });
        let (listen, pointer) = listen?;
        let source = Source {
            topic: listen.topic.clone(),
            pointer: pointer
                .and_then(|it| listen.wanted.pointer(it))
                .map(String::into_boxed_str),
        };
        Some(self.said_at(&source, equals.as_deref().unwrap_or("done")))
    }

    fn said_at(&self, source: &Source, word: &str) -> Said {
        let payload = match &source.pointer {
            None => word.to_owned(),
            Some(pointer) => {
                let mut at = Json::Null;
                put(&mut at, pointer, Json::from(word));
                at.to_string()
            }
        };
        Said {
            topic: self.place(source),
            payload: payload.into_bytes(),
        }
    }

    fn place(&self, source: &Source) -> String {
        self.compiled.fill(&source.topic, |_| None)
    }

    /// What it writes for what a property is.
    fn words<'a>(&'a self, property: &'a Property) -> Option<Filler<'a>> {
        let value = self.values.get(&property.name)?;
        let written = property.form.write(&property.wire, &property.name, value);
        written.ok().map(|(words, _)| words)
    }
}

fn plain(words: &Filler<'_>) -> String {
    match words {
        Filler::Text(it) | Filler::Literal(it) => it.clone().into_owned(),
    }
}

fn json(words: &Filler<'_>) -> Json {
    match words {
        Filler::Text(it) => Json::from(it.as_ref()),
        Filler::Literal(it) => serde_json::from_str(it).unwrap_or_else(|_| Json::from(it.as_ref())),
    }
}

/// Puts a value where a pointer finds it: below keys, as an array cannot be told from them.
fn put(at: &mut Json, pointer: &str, value: Json) {
    let mut at = at;
    for step in pointer.split('/').skip(1) {
        let key = step.replace("~1", "/").replace("~0", "~");
        if !at.is_object() {
            *at = Json::Object(Map::new());
        }
        at = &mut at[key];
    }
    *at = value;
}
