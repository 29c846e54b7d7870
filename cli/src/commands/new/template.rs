//! The files of projects, by language, as the SDKs have them: a row and a flag are a language.

/// Stands for the agent's name in each file.
pub(super) const PLACEHOLDER: &str = "NAME_OF_AGENT";

/// A project in one language.
pub(super) struct Template {
    /// As its flag says it.
    pub(super) language: &'static str,
    /// Paths in the project, and texts.
    pub(super) files: &'static [(&'static str, &'static str)],
}

/// The text of a file of an SDK's template.
macro_rules! text {
    ($path:literal) => {
        include_str!(concat!("../../../../sdk/", $path))
    };
}

pub(super) const LANGUAGES: &[Template] = &[
    Template {
        language: "python",
        files: &[
            (".gitignore", text!("python/template/gitignore")),
            ("README.md", text!("python/template/README.md")),
            ("agent.yaml", text!("python/template/agent.yaml")),
            ("bundle.yaml", text!("python/template/bundle.yaml")),
            ("main.py", text!("python/template/main.py")),
            (
                "requirements.txt",
                text!("python/template/requirements.txt"),
            ),
            ("test_main.py", text!("python/template/test_main.py")),
        ],
    },
    Template {
        language: "typescript",
        files: &[
            (".gitignore", text!("ts/template/gitignore")),
            ("README.md", text!("ts/template/README.md")),
            ("agent.yaml", text!("ts/template/agent.yaml")),
            ("bundle.yaml", text!("ts/template/bundle.yaml")),
            ("main.test.ts", text!("ts/template/main.test.ts")),
            ("main.ts", text!("ts/template/main.ts")),
            ("package.json", text!("ts/template/package.json")),
            ("tsconfig.json", text!("ts/template/tsconfig.json")),
        ],
    },
];
