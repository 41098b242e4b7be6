package deploy

import (
	"encoding/json"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
)

// instruction is one of a Dockerfile's, its continued lines joined.
type instruction struct{ name, args string }

type stage []instruction

// all returns the arguments of each instruction of that name.
func (s stage) all(name string) []string {
	var args []string
	for _, i := range s {
		if i.name == name {
			args = append(args, i.args)
		}
	}
	return args
}

// one returns the arguments of the only instruction of that name.
func (s stage) one(t *testing.T, name string) string {
	t.Helper()
	require.Len(t, s.all(name), 1, name)
	return s.all(name)[0]
}

// exec reads an instruction's arguments in their JSON form, which needs no shell.
func (s stage) exec(t *testing.T, name string) []string {
	t.Helper()
	_, list, _ := strings.Cut(s.one(t, name), "[")
	var args []string
	require.NoError(t, json.Unmarshal([]byte("["+list), &args), name)
	return args
}

// loadDockerfile returns the stage that builds and the one that is the image.
func loadDockerfile(t *testing.T) (build, image stage) {
	t.Helper()
	var stages []stage
	comment := regexp.MustCompile(`(?m)^\s*#.*\n`)
	text := comment.ReplaceAllString(read(t, "Dockerfile"), "")
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		name, args, found := strings.Cut(strings.TrimSpace(line), " ")
		if !found {
			require.Empty(t, name)
			continue
		}
		if name == "FROM" {
			stages = append(stages, nil)
		}
		require.NotEmpty(t, stages, "%s before FROM", name)
		last := len(stages) - 1
		stages[last] = append(stages[last], instruction{name, strings.TrimSpace(args)})
	}
	require.Len(t, stages, 2)
	return stages[0], stages[1]
}

func TestDockerfileBuildsWithTheModulesGo(t *testing.T) {
	build, _ := loadDockerfile(t)
	image := regexp.MustCompile(`golang:(\d+\.\d+)-alpine AS build$`).FindStringSubmatch(build.one(t, "FROM"))
	require.NotNil(t, image, "the image isn't pinned to a version of Go")
	module := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	require.NotNil(t, module)
	require.Equal(t, module[1], image[1])
}

func TestDockerfileImageHoldsLittleAndIsNotRoot(t *testing.T) {
	_, image := loadDockerfile(t)
	assert.Equal(t, "scratch", image.one(t, "FROM"))
	assert.Regexp(t, `^[1-9][0-9]*:[1-9][0-9]*$`, image.one(t, "USER"))
	assert.Empty(t, image.all("RUN"), "there is no shell to run")
	assert.Empty(t, image.all("ADD"))
	for _, copied := range image.all("COPY") {
		assert.True(t, strings.HasPrefix(copied, "--from=build "), copied)
	}
}

func TestDockerfileImageRunsTheService(t *testing.T) {
	_, image := loadDockerfile(t)
	assert.Contains(t, image.all("COPY"), "--from=build /out/equalizer /equalizer")
	assert.Equal(t, []string{"/equalizer"}, image.exec(t, "ENTRYPOINT"))
	assert.Equal(t, []string{"-c", configPath}, image.exec(t, "CMD"))
	assert.Equal(t, []string{"/equalizer", "healthcheck"}, image.exec(t, "HEALTHCHECK"))
	assert.Equal(t, "8000 8080", image.one(t, "EXPOSE"))

	defaults := config.Default()
	assert.Equal(t, ":8000", defaults.Server.Listen)
	assert.Equal(t, "127.0.0.1:8080", defaults.Admin.Listen)
	store := path.Join(image.one(t, "WORKDIR"), defaults.Store.Path)
	assert.Equal(t, image.one(t, "VOLUME"), path.Dir(store), "the default store is in the volume")
	assert.Contains(t, image.all("COPY"), "--from=build --chown="+image.one(t, "USER")+" /out/data /data")
}

func TestDockerfileBuildSeesNoSecretsAndNoHistory(t *testing.T) {
	ignored := strings.Split(read(t, "Dockerfile.dockerignore"), "\n")
	assert.Subset(t, ignored, []string{".*", "**/.env", "/data"})
}
