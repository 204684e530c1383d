"""Changes of the sound of a track, and the loudness and peaks that they need: trimming, cutting, levelling, limiting.

Reading and writing of files is in io/, measurements for tags and quality in analysis/.
"""
