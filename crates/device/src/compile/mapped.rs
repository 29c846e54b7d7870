//! Entries of a mapping as they are checked, whichever way a device is reached.

use aion_api::{
    DeviceHttp, DeviceMqtt, HttpCommand, HttpMapping, HttpProperty, HttpRequest, MqttAvailability,
    MqttCommand, MqttMapping, MqttProperty, MqttPublish, MqttValue, Scale,
};

/// By what a device is reached: what its fields are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Mqtt,
    Http,
    Sparkplug,
}

impl Way {
    /// Under `spec`.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Http => "http",
            Self::Sparkplug => "sparkplug",
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Mqtt => "MQTT",
            Self::Http => "HTTP",
            Self::Sparkplug => "Sparkplug",
        }
    }

    /// Where something is said.
    pub(super) const fn heard_at(self) -> &'static str {
        match self {
            Self::Mqtt => "topic",
            Self::Http => "get",
            Self::Sparkplug => "metric",
        }
    }

    /// Where something is sent.
    pub(super) const fn sent_to(self) -> &'static str {
        match self {
            Self::Mqtt => "topic",
            Self::Http => "path",
            Self::Sparkplug => "metric",
        }
    }
}

/// How a property looks.
#[derive(Debug, Clone)]
pub(super) struct Property<'a> {
    pub(super) name: &'a str,
    pub(super) state: Option<State<'a>>,
    pub(super) set: Option<Sent<'a>>,
    /// Where the answer to `set` says what it is then.
    pub(super) answer: Option<Option<&'a str>>,
    pub(super) values: &'a [MqttValue],
    pub(super) scale: Option<&'a Scale>,
}

/// Where it is said what a property is.
#[derive(Debug, Clone, Copy)]
pub(super) struct State<'a> {
    pub(super) at: &'a str,
    pub(super) pointer: Option<&'a str>,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sent<'a> {
    Publish(&'a MqttPublish),
    Request(&'a HttpRequest),
}

impl<'a> Sent<'a> {
    pub(super) fn to(self) -> &'a str {
        match self {
            Self::Publish(it) => &it.topic,
            Self::Request(it) => &it.path,
        }
    }

    pub(super) fn payload(self) -> Option<&'a str> {
        match self {
            Self::Publish(it) => it.payload.as_deref(),
            Self::Request(it) => it.payload.as_deref(),
        }
    }
}

/// How a command looks.
#[derive(Debug, Clone)]
pub(super) struct Command<'a> {
    pub(super) name: &'a str,
    pub(super) send: Sent<'a>,
    pub(super) done: Option<Done<'a>>,
}

/// By what it is known that a command was done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done<'a> {
    /// Where that is said; in the answer, if nowhere else.
    pub(super) at: Option<&'a str>,
    pub(super) pointer: Option<&'a str>,
    pub(super) equals: Option<&'a str>,
}

/// What a device or a model says of itself.
#[derive(Debug, Default)]
pub(super) struct Said<'a> {
    pub(super) properties: Vec<Property<'a>>,
    pub(super) commands: Vec<Command<'a>>,
    pub(super) availability: Option<&'a MqttAvailability>,
}

impl<'a> From<&'a DeviceMqtt> for Said<'a> {
    fn from(it: &'a DeviceMqtt) -> Self {
        Self {
            properties: it.properties.iter().map(published).collect(),
            commands: it.commands.iter().map(published_command).collect(),
            availability: it.availability.as_ref(),
        }
    }
}

impl<'a> From<&'a MqttMapping> for Said<'a> {
    fn from(it: &'a MqttMapping) -> Self {
        Self {
            properties: it.properties.iter().map(published).collect(),
            commands: it.commands.iter().map(published_command).collect(),
            availability: it.availability.as_ref(),
        }
    }
}

impl<'a> From<&'a DeviceHttp> for Said<'a> {
    fn from(it: &'a DeviceHttp) -> Self {
        Self {
            properties: it.properties.iter().map(asked).collect(),
            commands: it.commands.iter().map(asked_command).collect(),
            availability: None,
        }
    }
}

impl<'a> From<&'a HttpMapping> for Said<'a> {
    fn from(it: &'a HttpMapping) -> Self {
        Self {
            properties: it.properties.iter().map(asked).collect(),
            commands: it.commands.iter().map(asked_command).collect(),
            availability: None,
        }
    }
}

pub(super) fn published(it: &MqttProperty) -> Property<'_> {
    Property {
        name: &it.name,
        state: it.state.as_ref().map(|it| State {
            at: &it.topic,
            pointer: it.pointer.as_deref(),
        }),
        set: it.set.as_ref().map(Sent::Publish),
        answer: None,
        values: &it.values,
        scale: it.scale.as_ref(),
    }
}

pub(super) fn published_command(it: &MqttCommand) -> Command<'_> {
    Command {
        name: &it.name,
        send: Sent::Publish(&it.send),
        done: it.done.as_ref().map(|it| Done {
            at: Some(&it.topic),
            pointer: it.pointer.as_deref(),
            equals: it.equals.as_deref(),
        }),
    }
}

fn asked(it: &HttpProperty) -> Property<'_> {
    Property {
        name: &it.name,
        state: it.state.as_ref().map(|it| State {
            at: &it.get,
            pointer: it.pointer.as_deref(),
        }),
        set: it.set.as_ref().map(Sent::Request),
        answer: it.answer.as_ref().map(|it| it.pointer.as_deref()),
        values: &it.values,
        scale: it.scale.as_ref(),
    }
}

fn asked_command(it: &HttpCommand) -> Command<'_> {
    Command {
        name: &it.name,
        send: Sent::Request(&it.send),
        done: it.done.as_ref().map(|it| Done {
            at: None,
            pointer: it.pointer.as_deref(),
            equals: it.equals.as_deref(),
        }),
    }
}
