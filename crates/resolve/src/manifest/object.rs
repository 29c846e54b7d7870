//! An object of any kind that people write.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

macro_rules! object {
    ($($kind:ident $plural:literal $many:ident $scope:ident $writer:ident;)*) => {
        /// An object of any kind that people write.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Object {
            $(#[doc = concat!("Of kind ", stringify!($kind), ".")] $kind(Box<aion_api::$kind>),)*
        }

        impl Object {
            /// Reads an object of `kind`, its status included; `None` for a kind that people do not write.
            ///
            /// # Errors
            /// When it is not of its kind's form.
            pub fn from_json(kind: &str, value: Value) -> Result<Option<Self>, serde_json::Error> {
                Ok(Some(match kind {
                    $(stringify!($kind) => Self::$kind(serde_json::from_value(value)?),)*
                    _ => return Ok(None),
                }))
            }

            /// Its kind.
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => stringify!($kind),)*
                }
            }

            /// Whether objects of its kind belong to a namespace.
            #[must_use]
            pub const fn is_namespaced(&self) -> bool {
                match self {
                    $(Self::$kind(_) => aion_api::crd::$scope,)*
                }
            }

            /// Its metadata.
            #[must_use]
            pub fn metadata(&self) -> &ObjectMeta {
                match self {
                    $(Self::$kind(object) => &object.metadata,)*
                }
            }

            /// Its metadata, to be filled in.
            pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
                match self {
                    $(Self::$kind(object) => &mut object.metadata,)*
                }
            }

            /// The object as JSON, as an API server takes it.
            ///
            /// # Errors
            /// When it cannot be written as JSON, which its types rule out.
            pub fn to_json(&self) -> Result<Value, serde_json::Error> {
                match self {
                    $(Self::$kind(object) => serde_json::to_value(object),)*
                }
            }
        }
    };
}

aion_api::kinds!(object people);

impl Object {
    /// Reads an object of `kind` that was checked against its schema.
    pub(crate) fn read(kind: &str, mut value: Value) -> Result<Option<Self>, serde_json::Error> {
        // As an API server does: a status is not for those who write manifests.
        if let Some(fields) = value.as_object_mut() {
            fields.remove("status");
        }
        Self::from_json(kind, value)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// Its namespace; empty for a kind that has none, and until one is filled in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata().namespace.as_deref().unwrap_or_default()
    }
}
